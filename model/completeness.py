"""Whether all of a file is there, by what it says of itself.

libsndfile and FFmpeg both decode the first half of a WAV without a word about the
second: a recording that lost its end would pass for a short one.
"""

from collections.abc import Iterator
from typing import Literal

from model.audio_errors import Incomplete, TooManyBytes
from model.containers import AIFF, AU, CAF, INDEXED_MP3, WAV, WMA, Container
from model.mp3 import end_of_id3, indexed_bytes

Order = Literal["little", "big"]

#: Share by which the decoded may fall short of the declared.
TOLERANCE = 0.05
#: Seconds; encoder delay and padding, which matter in very short recordings only.
SLACK_SECONDS = 0.15

#: From this RIFF size on, as with 0, the writer did not know the size.
_UNKNOWN_SIZE = 0x7FFFF000
#: The GUID of the object that states the file's size, and where it does.
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_SIZE_AT = 40
#: An hour of AAC takes a megabyte, a picture in it some more. FFmpeg holds eight times
#: as much.
_MOST_INDEX_BYTES = 16 * 1024 * 1024
#: Chunks looked at; a file of millions of empty ones would take seconds.
_MOST_CHUNKS = 1000
#: Bytes of tags and padding behind the sound that are let pass in the shortest file.
_SPARE_BYTES = 4096
_CAF_HEADER_BYTES = 8
_OGG_HEADER_BYTES = 27
_OGG_NUMBER_AT = 18
_OGG_SEGMENTS_AT = 26


def check_bytes(data: bytes, container: Container) -> None:
    """Refuse a file that ends before its own structure does.

    Raises
    ------
    Incomplete
    TooManyBytes
        An index that is larger than that of any recording.
    """
    if container in (WAV, AIFF):
        _check_riff(data)
    elif container == AU:
        _check_au(data)
    elif container == CAF:
        _check_caf(data)
    elif container.name == "ogg":
        _check_ogg(data)
    elif container == INDEXED_MP3:
        start = end_of_id3(data)
        _check_size(data, start + (indexed_bytes(data, start) or 0))
    elif container == WMA:
        _check_asf(data)
    elif container.demuxer == "mov":
        _check_mov(data)


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


def _check_riff(data: bytes) -> None:
    order: Order = "little" if data[:4] in (b"RIFF", b"RF64") else "big"
    size = int.from_bytes(data[4:8], order)
    if data[:4] == b"RF64" and data[12:16] == b"ds64":
        size = int.from_bytes(data[20:28], order)
        _check_size(data, size + 8)
    elif 0 < size < _UNKNOWN_SIZE:
        _check_size(data, size + 8)
    for name, start, stated in _chunks(data, 12, 4, order):
        if name in (b"data", b"SSND") and 0 < stated < _UNKNOWN_SIZE:
            _check_size(data, start + stated)
            _check_rest(data, start + stated + stated % 2, order)
            return


def _chunks(
    data: bytes, position: int, width: int, order: Order
) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and stated size, of `width` bytes, of the chunks of a file."""
    for _ in range(_MOST_CHUNKS):
        start = position + 4 + width
        if start > len(data):
            return
        size = int.from_bytes(data[position + 4 : start], order)
        yield data[position : position + 4], start, size
        # Chunks of RIFF and AIFF begin at even places, those of CAF anywhere.
        position = start + size + (size % 2 if width == 4 else 0)


def _check_rest(data: bytes, end: int, order: Order) -> None:
    """Refuse much behind the sound that is neither a named chunk nor padding."""
    rest = len(data) - end
    if rest <= TOLERANCE * end + _SPARE_BYTES:
        return
    named = all(0x20 <= byte < 0x7F for byte in data[end : end + 4])
    size = int.from_bytes(data[end + 4 : end + 8], order)
    if not (named and size <= rest) and data.count(0, end) < rest:
        raise Incomplete(
            f"damaged: the header promises {end} bytes, {rest} unnamed ones follow"
        )


def _check_au(data: bytes) -> None:
    start, size = (int.from_bytes(data[at : at + 4], "big") for at in (4, 8))
    if 0 < size < _UNKNOWN_SIZE:
        _check_size(data, start + size)


def _check_caf(data: bytes) -> None:
    for name, start, size in _chunks(data, _CAF_HEADER_BYTES, 8, "big"):
        if name == b"data" and size < _UNKNOWN_SIZE:
            return _check_size(data, start + size)


def _check_mov(data: bytes) -> None:
    """Require a whole index, which lies before the sound or behind it."""
    position = 0
    for _ in range(_MOST_CHUNKS):
        size = int.from_bytes(data[position : position + 4], "big")
        if size == 1:  # a larger size stands behind the name
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        if size < 8:
            break
        if data[position + 4 : position + 8] == b"moov":
            return _check_index(data, position + size, size)
        position += size
    if b"moov" not in data:
        raise Incomplete("cut off: the file ends before its index (moov)")


def _check_index(data: bytes, end: int, size: int) -> None:
    if end > len(data):
        raise Incomplete("cut off: the file ends within its index (moov)")
    if size > _MOST_INDEX_BYTES:
        raise TooManyBytes(f"too large: an index (moov) of {size} bytes")


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
    """Require that no page is missing and that the last one is whole.

    Pages are numbered, and each states the lengths of its segments (RFC 3533).
    """
    page = data.rfind(b"OggS")
    header = data[page : page + _OGG_HEADER_BYTES]
    if len(header) == _OGG_HEADER_BYTES:
        table = page + _OGG_HEADER_BYTES
        segments = data[table : table + header[_OGG_SEGMENTS_AT]]
        whole = len(segments) == header[_OGG_SEGMENTS_AT]
        if whole and table + len(segments) + sum(segments) <= len(data):
            return _check_pages(data, page)
    raise Incomplete("cut off: the last Ogg page is not whole")


def _check_pages(data: bytes, last: int) -> None:
    """Compare the numbers of the first and last page with the count of pages."""
    places = (page + _OGG_NUMBER_AT for page in (data.find(b"OggS"), last))
    first, final = (int.from_bytes(data[at : at + 4], "little") for at in places)
    promised, there = final - first + 1, data.count(b"OggS")
    if there < (1 - TOLERANCE) * promised:
        raise Incomplete(
            f"cut off: the file promises {promised} Ogg pages and has {there}"
        )
