"""Files that are no recordings, or broken ones, by what is wrong with them."""

import struct

import numpy as np

from model import audio_errors as e
from tests.model.sounds import babbling, encoded, ffmpeg_encoded

Y = babbling(2.0)
VOICES = np.tile(Y, 5)
WAV = encoded(Y, 16_000, "WAV", "PCM_16")
FLAC = encoded(Y, 16_000, "FLAC")
OGG = encoded(Y, 16_000, "OGG")
MP3 = encoded(Y, 16_000, "MP3")
M4A = ffmpeg_encoded(Y, 16_000, "ipod", "aac")
WEBM = ffmpeg_encoded(babbling(2.0, 48_000), 48_000, "webm", "libopus")
WMA = ffmpeg_encoded(Y, 16_000, "asf", "wmav2")
AAC = ffmpeg_encoded(Y, 16_000, "adts", "aac")
AMR = ffmpeg_encoded(babbling(2.0, 8_000), 8_000, "amr", "libopencore_amrnb")
CAF = encoded(Y, 16_000, "CAF")
PCM_MATROSKA = ffmpeg_encoded(Y, 16_000, "matroska", "pcm_s16le")
SILENCE = np.zeros(16_000, np.float32)


def wav(
    rate: int = 16_000, channels: int = 1, bits: int = 16, body: bytes = b""
) -> bytes:
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * width, width, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data"
    chunks += struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def promising(share: float) -> bytes:
    """A WAV whose data chunk states `share` of the sound that follows."""
    size = len(WAV) - 44
    return WAV[:40] + struct.pack("<I", int(share * size) // 2 * 2) + WAV[44:]


def without_pages(ogg: bytes) -> bytes:
    """Leave out the first pages of sound, as a lost part of an upload does."""
    pages = [b"OggS" + page for page in ogg.split(b"OggS")[1:]]
    return b"".join(pages[:3] + pages[-1:])


def with_samples(*values: float) -> bytes:
    y = Y.copy()
    y[100 : 100 + len(values)] = values
    return encoded(y, 16_000, "WAV", "FLOAT")


TEXTS = {
    "html": b"<!DOCTYPE html><html><body>Not found</body></html>",
    "html after blanks": b"\n\n  <html><head></head></html>",
    "xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "json object": b'{"error": "expired"}',
    "json list": b"[1, 2, 3]",
    "json with byte order mark": b"\xef\xbb\xbf{}",
    "words": b"the recording is not available any more",
    "hindi": "रिकॉर्डिंग उपलब्ध नहीं है".encode(),
    "utf-16": "no audio".encode("utf-16"),
    "one letter": b"x",
    "blanks": b"   \n",
    "playlist": b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1/secret\n",
    "concat script": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "session description": b"v=0\no=- 0 0 IN IP4 127.0.0.1\n",
    "shell script": b"#!/bin/sh\necho\n",
    "csv": b"path,kind\n1,2\n",
    "long text": b"word " * 40_000,
    "text cut in a character": ("ab" + "é" * 400).encode(),
    "dash manifest": b"<MPD></MPD>",
    "svg": b"<svg></svg>",
}
FOREIGN = {
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(100),
    "gif": b"GIF89a" + bytes(100),
    "pdf": b"%PDF-1.7\n" + bytes(100),
    "zip": b"PK\x03\x04" + bytes(100),
    "gzip": b"\x1f\x8b\x08" + bytes(100),
    "rar": b"Rar!\x1a\x07" + bytes(100),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(100),
    "elf": b"\x7fELF" + bytes(100),
    "exe": b"MZ\x90\x00" + bytes(100),
    "midi": b"MThd" + bytes(100),
    "avi": b"RIFF\x24\0\0\0AVI " + bytes(100),
    "flash video": b"FLV\x01\x05" + bytes(100),
}
UNKNOWN = {
    "zeros": bytes(4096),
    "one zero": b"\0",
    "noise": bytes(np.random.default_rng(1).integers(1, 8, 4096, np.uint8)),
    "riff without wave": b"RIFF\x24\0\0\0ACON" + bytes(100),
    "form without aiff": b"FORM\0\0\0\x24ILBM" + bytes(100),
    "id3 sync without layer": b"\xff\xe0" + bytes(100),
    "mpeg transport stream": b"\x47\x00\x00" + bytes(300),
    "half an id3 header": b"ID3\x04\0",
}
UNDECODABLE = {
    "flac magic only": b"fLaC",
    "flac with junk": b"fLaC" + bytes(2000),
    "flac header without frames": FLAC[:60] + b"\x55" * 500,
    "id3 tag only": b"ID3\x04\0\0\0\0\0\x0a" + bytes(10),
    "mp3 sync with junk": b"\xff\xfb\x90\x00" + b"\x55" * 400,
    "matroska with junk": b"\x1a\x45\xdf\xa3" + bytes(500),
    "webm without clusters": WEBM[:40],
    "wma magic only": WMA[:30],
    "aac sync with junk": b"\xff\xf1\x50\x80" + b"\x55" * 300,
    "moov with junk": b"\0\0\0\x20ftypM4A " + bytes(20) + b"\0\0\0\x10moov" + bytes(8),
    "au with junk": b".snd" + b"\xff" * 100,
    "caf with junk": b"caff" + b"\xff" * 100,
    "wav without chunks": b"RIFF\x04\0\0\0WAVE",
    "wav of an unknown codec": wav(body=bytes(3200)).replace(
        struct.pack("<HH", 1, 1), struct.pack("<HH", 0x7FFE, 1), 1
    ),
    "aiff without chunks": b"FORM\0\0\0\x04AIFF",
}
INCOMPLETE = {
    "half a wav": WAV[: len(WAV) // 2],
    "wav header only": WAV[:44],
    "nine tenths of a wav": WAV[: len(WAV) * 9 // 10],
    "half a flac": FLAC[: len(FLAC) // 2],
    "half an ogg": OGG[: len(OGG) // 2 + 7],
    "ogg magic only": b"OggS",
    "half an m4a": M4A[: len(M4A) // 2],
    "m4a of its type only": M4A[:28],
    "half a webm": WEBM[: len(WEBM) // 2],
    "half a wma": WMA[: len(WMA) // 2],
    "half an aiff": encoded(Y, 16_000, "AIFF")[:32_000],
    "half an au": encoded(Y, 16_000, "AU")[:32_000],
    "half a caf": CAF[: len(CAF) // 2],
    "half an rf64": encoded(Y, 16_000, "RF64")[:32_000],
    "half an mp3 with an index": MP3[: len(MP3) // 2],
    "mp3 whose second half is zeros": MP3[: len(MP3) // 2] + bytes(len(MP3) // 2),
    "wav that promises twice what follows": promising(2.0),
    "wav of unknown size that promises twice what follows": b"RIFF\0\0\0\0"
    + promising(2.0)[8:],
    "wav with more sound than it promises": promising(0.5),
    "ogg without pages in the middle": without_pages(encoded(VOICES, 16_000, "OGG")),
    "m4a cut within its index": M4A[: len(M4A) - 200],
    "matroska cut within its only packet": PCM_MATROSKA[: len(PCM_MATROSKA) // 2],
}
LIMITS = {
    "nine channels": (wav(channels=9, body=bytes(1800)), e.TooManyChannels),
    "a thousand channels": (wav(channels=1000, body=bytes(8000)), e.TooManyChannels),
    "3999 Hz": (wav(rate=3_999, body=bytes(8000)), e.UnsupportedRate),
    "192001 Hz": (wav(rate=192_001, body=bytes(8000)), e.UnsupportedRate),
    "1 Hz": (wav(rate=1, body=bytes(8000)), e.UnsupportedRate),
    "4 GHz": (wav(rate=2**31 - 1, body=bytes(8000)), e.UnsupportedRate),
    "too long wav": (wav(rate=4_000, bits=8, body=bytes(2_400_001)), e.TooLong),
    "too long amr": (AMR[:6] + AMR[6:] * 320, e.TooLong),
    "too long aac": (AAC * 320, e.TooLong),
    "too long mp3 in parts": (MP3 * 320, e.TooLong),
    "m4a with an index of 17 MiB": (
        M4A[:28] + struct.pack(">I", 17 << 20) + b"moov" + bytes((17 << 20) - 8),
        e.TooManyBytes,
    ),
}
NO_SAMPLES = {
    "empty wav": encoded(SILENCE[:0], 16_000, "WAV"),
    "empty aiff": encoded(SILENCE[:0], 16_000, "AIFF"),
    "amr without frames": b"#!AMR\n",
}
NOT_FINITE = {
    "nan": with_samples(float("nan")),
    "infinity": with_samples(float("inf")),
    "minus infinity": with_samples(float("-inf"), 0.0),
    "both infinities": with_samples(float("inf"), float("-inf")),
}
