"""Bad files: each is refused with the error that says what is wrong."""

import resource
import struct
import time
from collections.abc import Callable
from functools import cache
from io import BytesIO

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from model import audio_errors as e
from model.audio import AudioLimits, decode
from tests.model.bad_files import (
    AMR,
    FLAC,
    FOREIGN,
    INCOMPLETE,
    LIMITS,
    M4A,
    MP3,
    NO_SAMPLES,
    NOT_FINITE,
    OGG,
    TEXTS,
    UNDECODABLE,
    UNKNOWN,
    WAV,
    WEBM,
    WMA,
    promising,
)
from tests.model.sounds import babbling, ffmpeg_encoded


def cases(
    files: dict[str, bytes], error: type[e.AudioError]
) -> list[tuple[bytes, type[e.AudioError]]]:
    return [pytest.param(data, error, id=name) for name, data in files.items()]  # type: ignore[misc]


BAD = [
    pytest.param(b"", e.EmptyFile, id="no bytes"),
    *cases(TEXTS, e.TextFile),
    *cases(FOREIGN, e.ForeignFile),
    *cases(UNKNOWN, e.UnknownFormat),
    *cases(UNDECODABLE, e.DamagedAudio),
    *cases(INCOMPLETE, e.Incomplete),
    *[pytest.param(*case, id=name) for name, case in LIMITS.items()],
    *cases(NO_SAMPLES, e.NoSamples),
    *cases(NOT_FINITE, e.NotFinite),
]


@pytest.mark.parametrize(("data", "error"), BAD)
def test_a_bad_file_is_refused_for_what_it_is(
    data: bytes, error: type[e.AudioError]
) -> None:
    with pytest.raises(error) as caught:
        decode(data)
    assert type(caught.value) is error or error is e.DamagedAudio
    assert "\n" not in str(caught.value)
    assert 5 < len(str(caught.value)) < 160


def test_there_are_sixty_bad_files_and_more() -> None:
    assert len(BAD) >= 60


def test_a_file_over_the_byte_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(e.TooManyBytes, match="too large: 100 bytes, at most 99"):
        decode(bytes(100), AudioLimits(max_bytes=99))


def test_a_video_without_sound_is_refused_as_without_a_sound_track() -> None:
    import av

    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(e.NoAudioStream, match="no sound track"):
        decode(buffer.getvalue())


def test_a_wav_that_no_length_was_written_to_is_read_to_its_end() -> None:
    _, info = decode(promising(0.0))
    assert info.duration_seconds == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    "tail", [b"LIST" + struct.pack("<I", 60_000) + b"\x07" * 60_000, bytes(60_000)]
)
def test_a_tag_or_padding_behind_the_sound_is_no_damage(tail: bytes) -> None:
    data = WAV[:4] + struct.pack("<I", len(WAV) + len(tail) - 8) + WAV[8:] + tail
    assert decode(data)[1].duration_seconds == 2.0


@pytest.mark.parametrize(
    "head", [b"RIFF\0\0\0\0WAVE", b"caff\0\1\0\0", b"\0\0\0\x08ftyp"]
)
def test_millions_of_empty_chunks_take_no_time(head: bytes) -> None:
    chunk = b"\0\0\0\x08free" if head.endswith(b"ftyp") else b"free" + bytes(8)
    start = time.monotonic()
    with pytest.raises(e.AudioError):
        decode(head + chunk * 4_000_000)
    assert time.monotonic() - start < 5


@cache
def day_of_silence() -> bytes:
    buffer = BytesIO()
    block = np.zeros(60 * 8_000, np.int16)
    with soundfile.SoundFile(buffer, "w", 8_000, 1, "PCM_16", format="FLAC") as file:
        for _ in range(24 * 60):
            file.write(block)
    return buffer.getvalue()


def without_its_length(flac: bytes) -> bytes:
    """Zero the count of samples in STREAMINFO, which means unknown."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


@pytest.mark.parametrize("forge", [bytes, without_its_length])
def test_a_day_of_silence_is_refused_in_bounded_memory_and_time(
    forge: Callable[[bytes], bytes],
) -> None:
    data = forge(day_of_silence())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    with pytest.raises(e.TooLong):
        decode(data)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert time.monotonic() - start < 20
    assert grown < 150 * 1024  # KiB; a day at 16 kHz would be 5.5 GB


def test_a_packet_as_long_as_the_file_is_taken_apart() -> None:
    """As float32 the packet of 19 MB would be 77 MB, and that twice."""
    import tracemalloc

    y = np.tile(babbling(10.0, 48_000), 40)
    data = ffmpeg_encoded(y, 192_000, "matroska", "pcm_u8")
    tracemalloc.start()
    decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(data)


@settings(max_examples=150, deadline=None)
@given(
    source=st.sampled_from([WAV, FLAC, OGG, MP3, M4A, WEBM, WMA, AMR]),
    cuts=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    junk=st.binary(max_size=60),
)
def test_damage_anywhere_gives_sound_or_a_typed_error(
    source: bytes, cuts: tuple[float, float], junk: bytes
) -> None:
    start, stop = sorted(int(cut * len(source)) for cut in cuts)
    try:
        y, _ = decode(source[:start] + junk + source[stop:])
    except e.AudioError:
        return
    assert np.isfinite(y).all() and len(y)
