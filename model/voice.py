"""Features of the voice: how much is voiced, how high, and how it moves."""

import numpy as np

from model.activity import FRAMES_PER_SECOND, Activity
from model.percentiles import percentiles
from model.spectrum import Spectrum
from model.waveform import FloatArray

#: Normalised autocorrelation from which on a frame counts as voiced.
_VOICED = 0.6
#: Semitones between neighbouring frames below which a pitch counts as held.
_HELD_SEMITONES = 0.6


def measure_voice(spectrum: Spectrum, activity: Activity) -> dict[str, float]:
    """Measure voicing and pitch over the active frames."""
    strength = spectrum.voicing
    active = activity.active
    voiced = (strength > _VOICED) & active
    p10, p50, p90 = percentiles(strength[active], (10, 50, 90))
    quiet = strength[~active]
    return {
        "voicing_p10": float(p10),
        "voicing_p50": float(p50),
        "voicing_p90": float(p90),
        "voicing_quiet": float(quiet.mean()) if len(quiet) else 0.0,
        "voiced_share": float(voiced.sum() / active.sum()),
        "voice_onsets": _onsets(voiced) * FRAMES_PER_SECOND / len(voiced),
        **_pitch(spectrum.pitch, voiced),
    }


def _onsets(voiced: np.ndarray) -> int:
    return int(np.count_nonzero(voiced[1:] & ~voiced[:-1]))


def _pitch(pitch: FloatArray, voiced: np.ndarray) -> dict[str, float]:
    semitones = 12 * np.log2(pitch / np.float32(100))
    held = semitones[voiced] if voiced.any() else np.zeros(1, np.float32)
    p10, p50, p90 = percentiles(held, (10, 50, 90))
    both = voiced[1:] & voiced[:-1]
    steps = np.abs(np.diff(semitones))[both] if both.any() else np.zeros(1, np.float32)
    return {
        "pitch_semitones": float(p50),
        "pitch_range": float(p90 - p10),
        "pitch_step": float(np.minimum(steps, 12).mean()),
        "pitch_held_share": float((steps < _HELD_SEMITONES).mean()),
        "pitch_jump_share": float((steps > 4).mean()),
    }
