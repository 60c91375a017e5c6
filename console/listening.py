"""Recordings fetched, decoded and drawn, ahead of whoever reviews them."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from pebble import ProcessExpired

from connectors.download import Downloader
from connectors.download_errors import DownloadError
from connectors.memory import MemoryFile
from console.hearing import Heard, hear
from console.marks import Mark, marks_of
from console.picture import draw
from flows.children import Children
from flows.settings import Settings
from model.audio import SAMPLE_RATE, AudioError, AudioLimits
from model.display import printable
from model.waveform import FloatArray

#: Recordings that are kept: what somebody goes back to, and what comes next.
_KEPT = 6
#: Downloads at once: one that is waited for, one ahead.
_THREADS = 2
#: Seconds beyond a decoding's own time for the child process to answer.
_GRACE_SECONDS = 30.0


class CannotPlay(Exception):
    """A recording that cannot be had or decoded; the text is one line, no secrets."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A recording as a page shows it.

    Attributes
    ----------
    sound
        What the model heard, as a WAV file: mono at 16 kHz. The original file stays
        here, for it is whatever somebody uploaded.
    picture
        PNG.
    """

    sound: bytes
    picture: bytes
    seconds: float
    marks: tuple[Mark, ...]


class Listening:
    """Makes exhibits of results, under the worker's rules of hosts and limits.

    Parameters
    ----------
    work
        What a child does, importable by its name.
    """

    def __init__(
        self,
        settings: Settings,
        downloader: Downloader,
        work: Callable[[str, AudioLimits, float], Heard] = hear,
    ) -> None:
        self._limits = settings.audio_limits()
        self._timeout = settings.inference_timeout_seconds
        self._downloader = downloader
        self._children: Children[Heard] = Children(1, self._timeout, work)
        self._executor = ThreadPoolExecutor(_THREADS, "listening")
        self._kept: OrderedDict[object, Future[Exhibit]] = OrderedDict()
        self._lock = threading.Lock()
        # The first one drawn takes seconds: what draws is compiled then.
        self._executor.submit(draw, np.zeros(SAMPLE_RATE, np.float32), ())

    def exhibit(self, result: Mapping[str, Any]) -> Exhibit:
        """Return the exhibit of a result; raises `CannotPlay`."""
        return self.prepare(result).result()

    def prepare(self, result: Mapping[str, Any]) -> Future[Exhibit]:
        """Start on the exhibit of a result, unless it is there or under way."""
        url = str(result.get("audio_s3_url") or "")
        reasons = tuple(map(str, result.get("reasons") or ()))
        key = (url, reasons)
        with self._lock:
            exhibit = self._kept.get(key)
            if exhibit is None or (exhibit.done() and exhibit.exception()):
                exhibit = self._executor.submit(self._make, url, reasons)
                self._kept[key] = exhibit
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return exhibit

    def close(self) -> None:
        """End the child process."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._children.close()

    def _make(self, url: str, reasons: tuple[str, ...]) -> Exhibit:
        heard = self._hear(url)
        marks = marks_of(heard.samples, reasons)
        return Exhibit(
            wav_of(heard.samples),
            draw(heard.samples, marks),
            heard.info.duration_seconds,
            tuple(marks),
        )

    def _hear(self, url: str) -> Heard:
        recording = MemoryFile()
        try:
            self._downloader.fetch(url, recording.file)
            decoding = self._children.submit(
                recording.path, self._limits, self._timeout
            )
            return decoding.result(self._timeout + _GRACE_SECONDS)
        except Exception as error:
            raise CannotPlay(self._reason(error)) from None
        finally:
            recording.close()

    def _reason(self, error: Exception) -> str:
        if isinstance(error, DownloadError):
            return printable(f"the recording cannot be fetched: {error}")
        if isinstance(error, AudioError):
            return printable(f"the recording cannot be decoded: {error}")
        if isinstance(error, TimeoutError):
            return f"the recording was not decoded within {self._timeout:g} s"
        if isinstance(error, ProcessExpired):
            return f"the process that decoded it ended with {error.exitcode}"
        if isinstance(error, MemoryError):
            return "the recording needs more memory than one may take"
        return printable(
            f"the recording cannot be played: {type(error).__name__}: {error}"
        )


def wav_of(samples: FloatArray) -> bytes:
    """Return samples as a WAV file of 16 bits."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), SAMPLE_RATE, format="WAV")
    return file.getvalue()
