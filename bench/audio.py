"""What it costs to listen: ``python -m bench.audio``.

Ten seconds of voice as wav, mp3 and m4a, from bytes to vector, against librosa with
one call a feature; interleaved, so that a busy moment of the machine meets all;
medians. Then a cold start and the peak memory of the worst inputs, each in a fresh
process. The last line of stdout is one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

# One core, as the worker's child processes: set before NumPy is imported.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[_variable] = "1"

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import soundfile  # noqa: E402

from model.audio import SAMPLE_RATE, decode  # noqa: E402
from model.features import extract  # noqa: E402
from model.waveform import FloatArray  # noqa: E402
from tests.model.sounds import babbling, encoded, ffmpeg_encoded  # noqa: E402

SECONDS = 10.0
FRAMING: dict[str, Any] = {"n_fft": 512, "hop_length": 256}
MIB = 1024 * 1024

_COLD = """
import sys, time
from model.audio import decode
from model.features import extract
y, _ = decode(open(sys.argv[1], "rb").read())
extract(y, 16000)
"""
_EMPTY = "pass"


def ours(data: bytes) -> FloatArray:
    """Compute our vector."""
    y, _ = decode(data)
    return extract(y, SAMPLE_RATE)


def theirs(data: bytes) -> None:
    """Compute what librosa defines of it, one call a feature, as one would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y, sr = librosa.load(BytesIO(data), sr=SAMPLE_RATE)
    librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13, n_mels=40, **FRAMING)
    librosa.feature.melspectrogram(y=y, sr=sr, n_mels=40, **FRAMING)
    librosa.feature.spectral_centroid(y=y, sr=sr, **FRAMING)
    librosa.feature.spectral_bandwidth(y=y, sr=sr, **FRAMING)
    librosa.feature.spectral_rolloff(y=y, sr=sr, roll_percent=0.85, **FRAMING)
    librosa.feature.spectral_rolloff(y=y, sr=sr, roll_percent=0.99, **FRAMING)
    librosa.feature.spectral_flatness(y=y, **FRAMING)
    librosa.feature.spectral_contrast(y=y, sr=sr, **FRAMING)
    librosa.feature.rms(y=y, frame_length=512, hop_length=256)
    librosa.onset.onset_strength(y=y, sr=sr, **FRAMING)
    librosa.feature.fourier_tempogram(y=y, sr=sr, hop_length=256)
    librosa.yin(y, fmin=80, fmax=444, sr=sr, frame_length=1024, hop_length=256)


def interleaved(
    tasks: dict[str, Callable[[], object]], rounds: int
) -> dict[str, float]:
    """Median milliseconds of each task, warm: run once, then timed, in turn."""
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            task()
            start = time.perf_counter()
            task()
            taken[name].append((time.perf_counter() - start) * 1e3)
    return {name: median(times) for name, times in taken.items()}


def cold_start(data: bytes, rounds: int) -> dict[str, float]:
    """Median seconds of a fresh process, with and without our work."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        path.write_bytes(data)
        taken = interleaved(
            {
                "total": lambda: _python(_COLD, str(path)),
                "interpreter": lambda: _python(_EMPTY, str(path)),
            },
            rounds,
        )
    return {name: round(ms / 1e3, 3) for name, ms in taken.items()}


def _python(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


_WORST_PROGRAM = """
import sys
from pathlib import Path
from model.audio import AudioError, decode
from model.features import extract
try:
    extract(decode(Path(sys.argv[1]).read_bytes())[0], 16000)
except AudioError:
    pass
# getrusage would count the parent before exec; this counts the program alone.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def peak_memory() -> dict[str, float]:
    """Peak MiB of the worst inputs of 64 MiB or less, each in a fresh process."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, data in worst_inputs().items():
            path = Path(folder) / "file"
            path.write_bytes(data)
            peaks[name] = round(float(_python(_WORST_PROGRAM, str(path))), 1)
    return peaks


def worst_inputs() -> dict[str, bytes]:
    """Files that would take gigabytes if they were decoded whole."""
    minutes = np.tile(babbling(SECONDS), 60)
    rich = np.zeros((600 * 24_000, 2), np.int16)
    voice = (babbling(SECONDS, 24_000) * 2**15).astype(np.int16)
    rich[:, 0] = np.resize(voice, len(rich))
    day = _silence(24 * 3600, SAMPLE_RATE, 1)
    return {
        "24 h of silence, flac": day,
        "24 h of silence, flac of unknown length": _unknown(day),
        "10 min of 8 channels at 192 kHz, flac": _silence(599, 192_000, 8),
        "10 min of voice, wav": encoded(minutes, SAMPLE_RATE, "WAV"),
        "10 min in stereo at 24 kHz, wav": encoded(rich, 24_000, "WAV"),
        "64 MiB of junk": bytes(64 * MIB),
    }


def _silence(seconds: int, rate: int, channels: int) -> bytes:
    buffer = BytesIO()
    block = np.zeros((rate, channels), np.int16)
    with soundfile.SoundFile(
        buffer, "w", rate, channels, "PCM_16", format="FLAC"
    ) as file:
        for _ in range(seconds):
            file.write(block)
    return buffer.getvalue()


def _unknown(flac: bytes) -> bytes:
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


def run(rounds: int) -> dict[str, object]:
    """Measure everything."""
    wav = encoded(babbling(SECONDS), SAMPLE_RATE, "WAV")
    mp3 = ffmpeg_encoded(babbling(SECONDS, 44_100), 44_100, "mp3", "libmp3lame")
    m4a = ffmpeg_encoded(babbling(SECONDS, 44_100), 44_100, "ipod", "aac")
    taken = interleaved(
        {
            "wav": lambda: ours(wav),
            "mp3": lambda: ours(mp3),
            "m4a": lambda: ours(m4a),
            "librosa_wav": lambda: theirs(wav),
        },
        rounds,
    )
    return {
        "ms": {name: round(ms, 2) for name, ms in taken.items()},
        "ratio_to_librosa": round(taken["librosa_wav"] / taken["wav"], 1),
        "cold_start_seconds": cold_start(wav, 7),
        "peak_mib": peak_memory(),
    }


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    print(json.dumps(run(parser.parse_args().rounds)))


if __name__ == "__main__":
    main()
