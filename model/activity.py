"""Features of loudness over time: how much of the recording is speech."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.filters import FRAME, HOP
from model.levels import decibels
from model.percentiles import percentiles
from model.spectrum import Spectrum
from model.waveform import SAMPLE_RATE, FloatArray

FRAMES_PER_SECOND = SAMPLE_RATE / HOP
#: Keeps the logarithm of no pause finite; about one frame.
_LEAST_SECONDS = 0.02
#: Power of a full-scale square wave seen through the window: the sum over the bins
#: of one side is half of FRAME times the sum of the squared window, 3/8 FRAME.
_FULL_SCALE = np.float32(FRAME * FRAME * 3 / 16)


@dataclass(frozen=True, slots=True)
class Activity:
    """Which frames are active.

    Attributes
    ----------
    level
        dBFS, shape (n,).
    active
        True where the level lies in the upper half, in decibels, between the
        background and the loudest frames, shape (n,).
    """

    level: FloatArray
    active: npt.NDArray[np.bool_]


def find_activity(spectrum: Spectrum) -> Activity:
    """Tell the frames in which something sounds from the background."""
    level = decibels(spectrum.power / _FULL_SCALE)
    low, high = percentiles(level, (10, 99))
    return Activity(level, level >= (low + high) / 2)


def measure_activity(activity: Activity) -> dict[str, float]:
    """Measure level and activity over time."""
    level, active = activity.level, activity.active
    p5, p25, p50, p75, p95 = percentiles(level, (5, 25, 50, 75, 95))
    return {
        "level_p5_db": float(p5),
        "level_p25_db": float(p25),
        "level_p50_db": float(p50),
        "level_p75_db": float(p75),
        "level_p95_db": float(p95),
        "level_range_db": float(p95 - p5),
        "level_middle_range_db": float(p75 - p25),
        **_contrast(level[active], level[~active]),
        "active_share": float(active.mean()),
        "log_active_seconds": float(np.log10(active.sum() / FRAMES_PER_SECOND)),
        **_pauses(active),
    }


def _contrast(loud: FloatArray, quiet: FloatArray) -> dict[str, float]:
    # Where nothing is quieter than the rest, nothing stands out either.
    quiet = quiet if len(quiet) else loud
    return {
        "snr_db": float(loud.mean() - quiet.mean()),
        "active_level_spread_db": float(loud.std()),
        "quiet_level_spread_db": float(quiet.std()),
    }


def _pauses(active: npt.NDArray[np.bool_]) -> dict[str, float]:
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    starts, stops = edges[::2], edges[1::2]
    gaps = starts[1:] - stops[:-1]
    bursts = stops - starts
    longest_gap = gaps.max() if len(gaps) else 0
    return {
        "bursts_per_second": len(bursts) / len(active) * FRAMES_PER_SECOND,
        "longest_burst_log": _log_seconds(bursts.max()),
        "longest_pause_log": _log_seconds(longest_gap),
        "lead_log": _log_seconds(starts[0]),
        "tail_log": _log_seconds(len(active) - stops[-1]),
    }


def _log_seconds(frames: int) -> float:
    return float(np.log10(frames / FRAMES_PER_SECOND + _LEAST_SECONDS))
