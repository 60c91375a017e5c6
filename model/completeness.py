"""Whether all of a file is there, by what it says of itself.

libsndfile and FFmpeg both decode the first half of a WAV without a word about the
second: a recording that lost its end would pass for a short one.
"""

from typing import Literal

from model.audio_errors import Incomplete
from model.containers import AIFF, WAV, WMA, Container

#: Share by which the decoded may fall short of the declared.
TOLERANCE = 0.05
#: Seconds; encoder delay and padding, which matter in very short recordings only.
SLACK_SECONDS = 0.15

#: From this RIFF size on, as with 0, the writer did not know the size.
_UNKNOWN_SIZE = 0x7FFFF000
#: The GUID of the object that states the file's size, and where it does.
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_SIZE_AT = 40
_OGG_HEADER_BYTES = 27
_OGG_SEGMENTS_AT = 26


def check_bytes(data: bytes, container: Container) -> None:
    """Refuse a file that ends before its own structure does.

    Raises
    ------
    Incomplete
    """
    if container in (WAV, AIFF):
        _check_riff(data, "little" if data[:4] in (b"RIFF", b"RF64") else "big")
    elif container.name == "ogg":
        _check_ogg(data)
    elif container == WMA:
        _check_asf(data)
    elif container.demuxer == "mov" and b"moov" not in data:
        raise Incomplete("cut off: the file ends before its index (moov)")


def check_duration(declared: float | None, decoded: float) -> None:
    """Refuse a recording whose declared and decoded durations differ.

    Parameters
    ----------
    declared, decoded : float
        Seconds; `declared` is None where the format does not say.

    Raises
    ------
    Incomplete
    """
    if declared is None or declared <= 0:
        return
    if abs(declared - decoded) > TOLERANCE * declared + SLACK_SECONDS:
        raise Incomplete(
            f"cut off or damaged: the file promises {declared:.1f} s, "
            f"{decoded:.1f} s could be decoded"
        )


def _check_riff(data: bytes, order: Literal["little", "big"]) -> None:
    size = int.from_bytes(data[4:8], order)
    if 0 < size < _UNKNOWN_SIZE:
        _check_size(data, size + 8)


def _check_asf(data: bytes) -> None:
    properties = data.find(_ASF_FILE_PROPERTIES)
    if properties >= 0:
        size = data[properties + _ASF_SIZE_AT : properties + _ASF_SIZE_AT + 8]
        _check_size(data, int.from_bytes(size, "little"))


def _check_size(data: bytes, promised: int) -> None:
    if len(data) < (1 - TOLERANCE) * promised:
        raise Incomplete(
            f"cut off: the file promises {promised} bytes and has {len(data)}"
        )


def _check_ogg(data: bytes) -> None:
    """Require that the last page is whole: each states the lengths of its segments."""
    page = data.rfind(b"OggS")
    header = data[page : page + _OGG_HEADER_BYTES]
    if len(header) == _OGG_HEADER_BYTES:
        table = page + _OGG_HEADER_BYTES
        segments = data[table : table + header[_OGG_SEGMENTS_AT]]
        whole = len(segments) == header[_OGG_SEGMENTS_AT]
        if whole and table + len(segments) + sum(segments) <= len(data):
            return
    raise Incomplete("cut off: the last Ogg page is not whole")
