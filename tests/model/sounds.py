"""Synthetic sounds and files for the tests of the model."""

from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from model.waveform import FloatArray

SHARED = Path(__file__).parents[3] / "shared" / "audio"
needs_recordings = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real recordings are not here"
)


def babbling(seconds: float = 4.0, rate: int = 16_000, seed: int = 0) -> FloatArray:
    """A voice-like sound: harmonics of a moving pitch, in syllables and phrases."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    drift = np.interp(time, np.linspace(0, seconds, 12), rng.uniform(0.85, 1.15, 12))
    phase = 2 * np.pi * np.cumsum(rng.uniform(150, 300) * drift) / rate
    formants = rng.uniform(0.3, 1.0, 16) / np.arange(1, 17)
    voice = sum(a * np.sin((h + 1) * phase) for h, a in enumerate(formants))
    syllables = np.maximum(np.sin(2 * np.pi * rng.uniform(3, 5) * time), 0) ** 0.5
    phrases = np.sin(2 * np.pi * time / seconds * 2) > -0.6
    y = voice * syllables * phrases * rng.uniform(0.05, 0.2)
    return np.asarray(y + rng.normal(size=len(time)) * 3e-4, np.float32)


def encoded(
    y: npt.NDArray[Any], rate: int, form: str, subtype: str | None = None
) -> bytes:
    """Encode with libsndfile; y has the shape (n,) or (n, channels)."""
    buffer = BytesIO()
    soundfile.write(buffer, y, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def ffmpeg_encoded(
    y: FloatArray, rate: int, container: str, codec: str, **options: Any
) -> bytes:
    """Encode mono sound with FFmpeg."""
    if codec == "wmav2":
        options["bit_rate"] = 48_000
    buffer = BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout="mono", **options)
        frame = av.AudioFrame.from_ndarray(
            (y[None, :] * 32767).astype(np.int16), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = rate, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return buffer.getvalue()
