"""What runs in the console's child process: decoding, of files that may be hostile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flows.child import limit_cpu
from model.audio import AudioInfo, AudioLimits, decode
from model.waveform import FloatArray


@dataclass(frozen=True, slots=True)
class Heard:
    """A decoded recording: mono samples at ``SAMPLE_RATE``, and what the file is."""

    samples: FloatArray
    info: AudioInfo


def hear(path: str, limits: AudioLimits, cpu_seconds: float) -> Heard:
    """Return the recording in a file; raises `AudioError`.

    Beyond `cpu_seconds` of CPU time the process is killed.
    """
    limit_cpu(cpu_seconds)
    return Heard(*decode(Path(path).read_bytes(), limits))
