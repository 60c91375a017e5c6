"""A recording drawn: its waveform and its mel spectrogram, marked in time."""

from __future__ import annotations

import io
from collections.abc import Sequence

import librosa
import librosa.display
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from console.marks import Mark
from model.waveform import SAMPLE_RATE, FloatArray

#: Columns of a spectrogram, more than which no screen shows.
_COLUMNS = 1200
_FRAME = 512
_LEAST_HOP = 128
_MEL_BANDS = 64
#: Decibels below the loudest that are drawn.
_TOP_DB = 70.0
#: Vertices of a waveform.
_POINTS = 4000
_COLOURS = ("#e4572e", "#8e44ad", "#2e86ab", "#c9a227")
#: Spans of one reason that are drawn.
_SPANS = 300


def draw(y: FloatArray, marks: Sequence[Mark]) -> bytes:
    """Return a picture in PNG.

    Parameters
    ----------
    y : array, shape (n,), n > 0
        Mono at ``SAMPLE_RATE``.
    """
    # A figure of its own, not pyplot's: recordings are drawn on several threads.
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    wave, mel = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    _draw_waveform(wave, y)
    _draw_spectrogram(mel, figure, y)
    _draw_marks(wave, mel, marks)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return image.getvalue()


def _draw_waveform(axes: Axes, y: FloatArray) -> None:
    librosa.display.waveshow(
        y, sr=SAMPLE_RATE, ax=axes, color="#4c6a92", max_points=_POINTS, axis=None
    )
    limit = max(float(np.abs(y).max()) * 1.05, 1e-3)
    axes.set(ylim=(-limit, limit), ylabel="amplitude", xlim=(0, len(y) / SAMPLE_RATE))
    axes.spines[["top", "right"]].set_visible(False)


def _draw_spectrogram(axes: Axes, figure: Figure, y: FloatArray) -> None:
    hop = max(_LEAST_HOP, -(-len(y) // _COLUMNS))
    frame = max(_FRAME, 1 << (hop - 1).bit_length())
    power = librosa.feature.melspectrogram(
        y=np.pad(y, (0, max(0, frame - len(y)))),
        sr=SAMPLE_RATE,
        n_fft=frame,
        hop_length=hop,
        n_mels=_MEL_BANDS,
    )
    levels = librosa.power_to_db(power, ref=1.0, amin=1e-10)
    top = float(levels.max())
    image = librosa.display.specshow(
        levels,
        sr=SAMPLE_RATE,
        hop_length=hop,
        x_axis="time",
        y_axis="mel",
        cmap="magma",
        vmin=top - _TOP_DB,
        vmax=max(top, top - _TOP_DB + 1),
        ax=axes,
    )
    axes.set(xlabel="seconds", ylabel="Hz", xlim=(0, len(y) / SAMPLE_RATE))
    figure.colorbar(image, ax=axes, format="%.0f dB", pad=0.01, aspect=30)


def _draw_marks(wave: Axes, mel: Axes, marks: Sequence[Mark]) -> None:
    reasons = list(dict.fromkeys(mark.reason for mark in marks))
    for number, reason in enumerate(reasons):
        colour = _COLOURS[number % len(_COLOURS)]
        spans = [mark for mark in marks if mark.reason == reason][:_SPANS]
        for place, mark in enumerate(spans):
            label = reason if place == 0 else None
            wave.axvspan(
                mark.start, mark.end, color=colour, alpha=0.25, lw=0, label=label
            )
            mel.plot(
                [mark.start, mark.end],
                [1.0, 1.0],
                transform=mel.get_xaxis_transform(),
                color=colour,
                linewidth=5,
                solid_capstyle="butt",
                clip_on=False,
            )
    if reasons:
        wave.legend(loc="upper right", framealpha=0.9, fontsize=9)
