"""What stands before the sound of an MP3: a tag, and an index in its first frame.

The index of Xing, which LAME writes too, and that of Fraunhofer state how many bytes
the stream has. It may be missing, as in what a recorder streams.
"""

_ID3_HEADER_BYTES = 10
#: Xing's index says which of its fields there are; Info is its name at constant rate.
_XING = (b"Xing", b"Info")
_HAS_FRAMES, _HAS_BYTES = 1, 2
_VBRI = b"VBRI"
_VBRI_BYTES_AT = 10
#: Bytes; header, checksum and side information end, and an index begins, before this.
_INDEX_BEFORE = 44


def end_of_id3(data: bytes) -> int:
    """Where an ID3v2 tag at the start ends; 0 without one."""
    if not data.startswith(b"ID3") or len(data) < _ID3_HEADER_BYTES:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return _ID3_HEADER_BYTES + size


def indexed_bytes(data: bytes, start: int) -> int | None:
    """Return the size of the stream by the index in its first frame.

    Parameters
    ----------
    data : bytes
    start : int
        Where the first frame begins.

    Returns
    -------
    int or None
        From `start` on; 0 if the index does not say, None if there is none.
    """
    head = data[start : start + _INDEX_BEFORE]
    for name in _XING:
        place = head.find(name)
        if place >= 0:
            return _xing_bytes(data, start + place)
    place = head.find(_VBRI)
    return None if place < 0 else _number(data, start + place + _VBRI_BYTES_AT)


def _xing_bytes(data: bytes, index: int) -> int:
    fields = _number(data, index + 4)
    if not fields & _HAS_BYTES:
        return 0
    return _number(data, index + (12 if fields & _HAS_FRAMES else 8))


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
