"""Speech from text, by the espeak-ng library that ``espeakng-loader`` brings.

The library is C code with one global state: one voice, one callback, and a phase that
goes on from one sentence to the next. So there is one `Speaker` in a process, used
from one thread.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

# From espeak-ng/speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True)
class Voice:
    """How one person reads.

    Attributes
    ----------
    language
        ``hi``, ``en`` or any other of espeak-ng.
    variant
        The voice's timbre, such as ``f2`` or ``m3``.
    pitch, pitch_range
        0 to 100; 50 is an adult's.
    words_per_minute
        The pace, 80 upward.
    """

    language: str
    variant: str
    pitch: int
    pitch_range: int
    words_per_minute: int


class Speaker:
    """The espeak-ng library, ready to speak.

    Attributes
    ----------
    sample_rate
        Of what it speaks, in Hz.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._spoken: list[Samples] = []
        # Kept, for the library calls it as long as it lives.
        self._callback = _Callback(self._hear)
        folder = Path(espeakng_loader.get_data_path()).parent
        self.sample_rate: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, str(folder).encode(), _INITIALIZE_DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise RuntimeError(f"espeak-ng does not find its voices in {folder}")
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: Voice) -> Samples:
        """Return the samples of a text, -1 to 1, at `sample_rate`.

        Raises
        ------
        ValueError
            If espeak-ng has no such voice.
        """
        self._take(voice)
        # Its noises (f, s, sh) come from here, by default seeded with the time.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        encoded = text.encode()
        self._library.espeak_Synth(
            *(encoded, ctypes.c_size_t(len(encoded) + 1)),
            *(0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None),
        )
        spoken, self._spoken = self._spoken, []
        return np.concatenate([np.zeros(0, np.float32), *spoken])

    def _take(self, voice: Voice) -> None:
        name = f"{voice.language}+{voice.variant}"
        if self._library.espeak_SetVoiceByName(name.encode()):
            raise ValueError(f"espeak-ng has no voice {name}")
        for parameter, value in (
            (_RATE, voice.words_per_minute),
            (_PITCH, voice.pitch),
            (_RANGE, voice.pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)

    def _hear(self, samples: Any, count: int, _events: int) -> int:
        if samples and count:
            heard = np.ctypeslib.as_array(samples, shape=(count,))
            self._spoken.append(heard.astype(np.float32) / np.float32(32768))
        return 0
