"""What a file is, by its first bytes, never by its name.

Only what is recognised here is ever shown to a decoder, and each container names
the one FFmpeg demuxer that may open it: a playlist, a concat script or a network
format cannot get in by posing as audio.
"""

from dataclasses import dataclass

from model.audio_errors import EmptyFile, ForeignFile, TextFile, UnknownFormat
from model.mp3 import end_of_id3, indexed_bytes

_SHOWN_BYTES = 8
_TEXT_SAMPLE_BYTES = 512


@dataclass(frozen=True, slots=True)
class Container:
    """A file format that is accepted.

    Attributes
    ----------
    name
        As people call it: ``wav``, ``m4a``, ``webm``.
    demuxer
        FFmpeg's name of the only demuxer that may open it.
    libsndfile
        Whether libsndfile reads it; it is then the first decoder.
    declares_duration
        Whether the header states the duration, so that FFmpeg's is no estimate.
    """

    name: str
    demuxer: str
    libsndfile: bool = True
    declares_duration: bool = True


WAV = Container("wav", "wav")
AIFF = Container("aiff", "aiff")
AU = Container("au", "au")
CAF = Container("caf", "caf")
FLAC = Container("flac", "flac")
OGG = Container("ogg", "ogg", declares_duration=False)
MP3 = Container("mp3", "mp3", declares_duration=False)
#: With an index in its first frame, which states the duration.
INDEXED_MP3 = Container("mp3", "mp3")
#: Recordings one after the other, the index that of the first: libsndfile stops there.
JOINED_MP3 = Container("mp3", "mp3", libsndfile=False, declares_duration=False)
AAC = Container("aac", "aac", libsndfile=False, declares_duration=False)
AMR = Container("amr", "amr", libsndfile=False, declares_duration=False)
MP4 = Container("mp4", "mov", libsndfile=False)
M4A = Container("m4a", "mov", libsndfile=False)
THREE_GP = Container("3gp", "mov", libsndfile=False)
QUICKTIME = Container("mov", "mov", libsndfile=False)
MATROSKA = Container("matroska", "matroska", libsndfile=False)
WEBM = Container("webm", "matroska", libsndfile=False)
WMA = Container("wma", "asf", libsndfile=False)

_SIGNATURES = (
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b".snd", AU),
    (b"caff", CAF),
    (b"#!AMR", AMR),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", WMA),
)
_RIFF = (b"RIFF", b"RIFX", b"RF64")
#: Layers III and II; the bits of layer I also begin a text in UTF-16.
_LAYERS = (1, 2)
#: Times the size in the index, and bytes of tags, beyond which more recordings follow.
_JOINED_FROM, _SPARE_BYTES = 1.05, 4096
_EBML = b"\x1a\x45\xdf\xa3"
_MP4_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_BRANDS = {
    b"M4A": M4A,
    b"M4B": M4A,
    b"3gp": THREE_GP,
    b"3g2": THREE_GP,
    b"qt ": QUICKTIME,
}
_FOREIGN = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3", "a database"),
    (b"MThd", "a MIDI score"),
    (b"FLV\x01", "a Flash video"),
)


def identify(data: bytes) -> Container:
    """Recognise the container of a file.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    EmptyFile, TextFile, ForeignFile, UnknownFormat
    """
    if not data:
        raise EmptyFile("empty: the file has no bytes")
    container = _by_signature(data) or _by_structure(data)
    if container is None:
        raise _refusal(data)
    return container


def _by_signature(data: bytes) -> Container | None:
    for signature, container in _SIGNATURES:
        if data.startswith(signature):
            return container
    return None


def _by_structure(data: bytes) -> Container | None:
    if data[:4] in _RIFF and data[8:12] == b"WAVE":
        return WAV
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if data[4:8] in _MP4_ATOMS:
        return _mp4(data)
    if data.startswith(_EBML):
        return WEBM if b"webm" in data[:64] else MATROSKA
    return _mpeg(data)


def _mp4(data: bytes) -> Container:
    if data[4:8] != b"ftyp":
        return QUICKTIME
    return _BRANDS.get(data[8:11], MP4)


def _mpeg(data: bytes) -> Container | None:
    """Tell MPEG audio (a layer is set) from ADTS AAC (layer zero), behind any tag."""
    start = end_of_id3(data)
    if data[start : start + 4] == b"fLaC":
        return FLAC
    sync = data[start : start + 2]
    if len(sync) < 2 or sync[0] != 0xFF or sync[1] & 0xE0 != 0xE0:
        return MP3 if start else None
    if sync[1] & 0xF6 == 0xF0:
        return AAC
    if sync[1] >> 1 & 0x03 not in _LAYERS:
        return None
    return _mp3(data, start)


def _mp3(data: bytes, start: int) -> Container:
    size = indexed_bytes(data, start)
    if size is None:
        return MP3
    joined = 0 < size < (len(data) - start - _SPARE_BYTES) / _JOINED_FROM
    return JOINED_MP3 if joined else INDEXED_MP3


def _refusal(data: bytes) -> TextFile | ForeignFile | UnknownFormat:
    for signature, kind in _FOREIGN:
        if data.startswith(signature):
            return ForeignFile(f"not audio: the file is {kind}")
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return ForeignFile("not audio: the file is an AVI video")
    text = _text_kind(data[:_TEXT_SAMPLE_BYTES])
    if text is not None:
        return TextFile(f"not audio: the file is {text}")
    shown = data[:_SHOWN_BYTES].hex(" ")
    return UnknownFormat(f"not audio: no known format begins with the bytes {shown}")


def _text_kind(head: bytes) -> str | None:
    """Name the kind of text that `head` begins, or return None for binary data."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text"
    if any(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return None
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if start.startswith(b"<"):
        return "XML"
    if start.startswith((b"{", b"[")):
        return "JSON"
    return "text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut in two by the end of the sample is no sign of binary data.
        return error.start >= len(head) - 3 and len(head) == _TEXT_SAMPLE_BYTES
    return True
