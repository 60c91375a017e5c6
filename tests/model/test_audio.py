"""Decoding: bytes in, mono float32 at 16 kHz out."""

import pickle
from io import BytesIO

import librosa
import numpy as np
import pytest

from model.audio import AudioError, AudioLimits, decode
from model.mp3 import indexed_bytes
from model.waveform import downmix
from tests.model.sounds import babbling, encoded, ffmpeg_encoded

#: librosa asks audioread for its backends, which imports what Python 3.13 drops.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*slated for removal in Python 3.13:DeprecationWarning"
)

LIBSNDFILE = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize(("form", "subtype"), LIBSNDFILE)
def test_a_file_decodes_as_librosa_does_to_the_bit(
    form: str, subtype: str, rate: int, channels: int
) -> None:
    voices = [babbling(1.7, rate, seed) for seed in range(channels)]
    data = encoded(np.stack(voices, axis=1), rate, form, subtype)
    y, info = decode(data)
    expected, _ = librosa.load(BytesIO(data), sr=16_000)
    np.testing.assert_array_equal(y, expected)
    assert (info.sample_rate, info.channels) == (rate, channels)
    assert y.dtype == np.float32


@pytest.mark.parametrize("channels", range(1, 9))
def test_many_channels_are_averaged_as_librosa_does_to_the_bit(channels: int) -> None:
    voices = np.stack([babbling(0.9, 32_000, s) for s in range(channels)], axis=1)
    data = encoded(voices, 32_000, "WAV", "FLOAT")
    expected, _ = librosa.load(BytesIO(data), sr=16_000)
    np.testing.assert_array_equal(decode(data)[0], expected)
    np.testing.assert_array_equal(downmix(voices), librosa.to_mono(voices.T))


def test_a_long_file_agrees_although_it_is_decoded_in_blocks() -> None:
    data = encoded(babbling(9.0, 44_100), 44_100, "FLAC")
    expected, _ = librosa.load(BytesIO(data), sr=16_000)
    np.testing.assert_array_equal(decode(data)[0], expected)


PHONES = [
    ("ipod", "aac", 44_100, "m4a/aac"),
    ("mp4", "aac", 16_000, "mp4/aac"),
    ("mov", "aac", 48_000, "mov/aac"),
    ("adts", "aac", 22_050, "aac/aac"),
    ("3gp", "libopencore_amrnb", 8_000, "3gp/amrnb"),
    ("3gp", "aac", 16_000, "3gp/aac"),
    ("amr", "libopencore_amrnb", 8_000, "amr/amrnb"),
    ("webm", "libopus", 48_000, "webm/opus"),
    ("matroska", "libopus", 48_000, "matroska/opus"),
    ("asf", "wmav2", 44_100, "wma/wmav2"),
    ("ogg", "libopus", 48_000, "ogg/opus"),
    ("mp3", "libmp3lame", 44_100, "mp3/mpeg_layer_iii"),
    ("wav", "adpcm_ima_wav", 16_000, "wav/ima_adpcm"),
    ("wav", "wmav2", 44_100, "wav/wmav2"),
    ("aiff", "pcm_s16be", 16_000, "aiff/pcm_16"),
    ("au", "pcm_mulaw", 8_000, "au/ulaw"),
    ("caf", "pcm_s16le", 16_000, "caf/pcm_16"),
]


@pytest.mark.parametrize(("container", "codec", "rate", "name"), PHONES)
def test_what_phones_send_is_decoded(
    container: str, codec: str, rate: int, name: str
) -> None:
    y = babbling(3.0, rate)
    bit_rate = {"bit_rate": 12_200} if "amr" in codec else {}
    decoded, info = decode(ffmpeg_encoded(y, rate, container, codec, **bit_rate))
    assert info.codec == name
    assert info.sample_rate == rate
    assert info.duration_seconds == pytest.approx(3.0, abs=0.12)
    loudness = float(np.sqrt(np.mean(decoded**2)) / np.sqrt(np.mean(y**2)))
    assert loudness == pytest.approx(1.0, abs=0.15)


def test_the_container_is_told_by_its_bytes_behind_an_id3_tag() -> None:
    data = encoded(babbling(1.0), 16_000, "MP3")
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)
    assert decode(tag + data)[1].codec == "mp3/mpeg_layer_iii"


@pytest.mark.parametrize("encoder", ["libsndfile", "ffmpeg"])
def test_mp3_recordings_one_after_the_other_are_all_heard(encoder: str) -> None:
    """The index in the first frame is that of the first recording only."""
    y = babbling(3.0)
    data = (
        encoded(y, 16_000, "MP3")
        if encoder == "libsndfile"
        else ffmpeg_encoded(y, 16_000, "mp3", "libmp3lame")
    )
    assert decode(data * 3)[1].duration_seconds == pytest.approx(9.0, rel=0.05)


def test_an_index_of_fraunhofer_is_read() -> None:
    frame = b"\xff\xfb\x90\x00" + bytes(32) + b"VBRI" + bytes(6)
    assert indexed_bytes(frame + (5000).to_bytes(4, "big"), 0) == 5000
    assert indexed_bytes(frame.replace(b"VBRI", bytes(4)) + bytes(4), 0) is None


def test_a_damaged_packet_in_the_middle_costs_only_itself() -> None:
    data = bytearray(ffmpeg_encoded(babbling(6.0), 16_000, "adts", "aac"))
    data[9000:9100] = bytes(100)
    _, info = decode(bytes(data))
    assert info.duration_seconds == pytest.approx(6.0, abs=0.7)


def test_every_error_crosses_a_process_boundary() -> None:
    kinds = [AudioError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    assert len(kinds) == 17
    for kind in kinds:
        error = pickle.loads(pickle.dumps(kind("one line")))
        assert (type(error), str(error)) == (kind, "one line")


def test_a_recording_of_exactly_the_longest_duration_is_decoded() -> None:
    data = encoded(np.zeros(32_000, np.float32), 16_000, "WAV")
    assert len(decode(data, AudioLimits(max_seconds=2.0))[0]) == 32_000
