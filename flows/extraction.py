"""What the worker's child processes do: decode and features, nothing else.

Audio comes from outside. A codec that crashes, hangs or swallows memory must cost one
recording, so it meets it here, and the parent only ever sees the numbers.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.child import limit_cpu
from model.audio import SAMPLE_RATE, AudioLimits, decode
from model.features import extract


@dataclass(frozen=True, slots=True)
class Extracted:
    """The numbers of one recording: its feature vector, and what the file is.

    Attributes
    ----------
    began, ended
        When the child worked on it: ``time.monotonic`` counts for all processes of a
        machine alike.
    """

    vector: NDArray[np.float32]
    audio: dict[str, Any]
    began: float = 0.0
    ended: float = 0.0


def extract_features(
    path: str, limits: AudioLimits, cpu_seconds: float = math.inf
) -> Extracted:
    """Return the numbers of the recording in a file; raises `AudioError`.

    Beyond `cpu_seconds` of CPU time, counted over all threads, the process is killed.
    """
    began = time.monotonic()
    limit_cpu(cpu_seconds)
    samples, info = decode(Path(path).read_bytes(), limits)
    vector = extract(samples, SAMPLE_RATE)
    return Extracted(vector, asdict(info), began, time.monotonic())
