"""Features of the spectrum: what the sound is made of."""

import numpy as np

from model.activity import Activity
from model.filters import CEPSTRA, FREQUENCIES, MEL_BANDS, cosine_weights
from model.spectrum import TINY, Spectrum
from model.waveform import FloatArray

#: Decibels below the loudest band at which librosa.power_to_db cuts.
_TOP_DB = 80.0
#: Hertz; edges of the bands whose shares of the long-term spectrum are features.
_BAND_EDGES_HZ = (0, 100, 250, 500, 1000, 2000, 3000, 4000, 6000, 8001)

_COSINES = cosine_weights()


def mel_decibels(spectrum: Spectrum) -> FloatArray:
    """Mel band levels as ``librosa.power_to_db`` gives them, shape (n, MEL_BANDS)."""
    levels = np.float32(10) * np.log10(np.maximum(spectrum.mel, TINY))
    return np.asarray(np.maximum(levels, levels.max() - np.float32(_TOP_DB)))


def measure_timbre(
    spectrum: Spectrum, bands: FloatArray, activity: Activity
) -> dict[str, float]:
    """Measure the spectrum of the active frames and of the whole."""
    active = activity.active
    return {
        **_cepstra(bands[active] @ _COSINES),
        **_shape(spectrum, activity),
        **_average(spectrum.average),
        **_spread(bands),
    }


def _cepstra(cepstra: FloatArray) -> dict[str, float]:
    means, spreads = cepstra.mean(axis=0), cepstra.std(axis=0)
    named = {f"mfcc_{i}_mean": float(means[i]) for i in range(CEPSTRA)}
    return named | {f"mfcc_{i}_spread": float(spreads[i]) for i in range(CEPSTRA)}


def _shape(spectrum: Spectrum, activity: Activity) -> dict[str, float]:
    active = activity.active
    centroid = spectrum.centroid[active]
    flatness = np.log10(spectrum.flatness)
    quiet = flatness[~active]
    return {
        "centroid_mean": float(centroid.mean()),
        "centroid_spread": float(centroid.std()),
        "bandwidth_mean": float(spectrum.bandwidth[active].mean()),
        "bandwidth_spread": float(spectrum.bandwidth[active].std()),
        "flatness_active": float(flatness[active].mean()),
        "flatness_active_spread": float(flatness[active].std()),
        "flatness_quiet": float(quiet.mean()) if len(quiet) else 0.0,
    }


def _average(average: FloatArray) -> dict[str, float]:
    """Describe the long-term average spectrum."""
    total = float(average.sum()) + 1e-9
    edges = np.searchsorted(FREQUENCIES, _BAND_EDGES_HZ)
    shares = np.add.reduceat(average, edges[:-1]) / total
    levels = np.log10(average + np.float32(1e-9 * total + 1e-12))
    cumulative = np.cumsum(average) / total
    names = [f"band_{hz}_hz" for hz in _BAND_EDGES_HZ[:-1]]
    smooth = np.convolve(levels, np.full(9, 1 / 9, np.float32), mode="same")
    return {
        **{n: float(np.log10(s + 1e-5)) for n, s in zip(names, shares, strict=True)},
        "rolloff_85": _frequency_at(cumulative, 0.85),
        "rolloff_99": _frequency_at(cumulative, 0.99),
        "average_peakiness": float((levels - smooth)[4:-4].max()),
        "average_roughness": float((levels - smooth)[4:-4].std()),
        "average_entropy": float(
            -(average / total * np.log2(average / total + 1e-12)).sum()
        ),
    }


def _frequency_at(cumulative: FloatArray, share: float) -> float:
    index = min(int(np.searchsorted(cumulative, share)), len(FREQUENCIES) - 1)
    return float(FREQUENCIES[index])


def _spread(bands: FloatArray) -> dict[str, float]:
    """Deviation over time of groups of five mel bands."""
    spreads = bands.std(axis=0).reshape(-1, 5).mean(axis=1)
    return {f"band_spread_{i}": float(spreads[i]) for i in range(MEL_BANDS // 5)}
