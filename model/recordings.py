"""Find recordings on disk, and turn files into features."""

import csv
from collections.abc import Iterator
from pathlib import Path

from model.audio import SAMPLE_RATE, AudioLimits, decode
from model.features import extract
from model.waveform import FloatArray

#: What to look for in a folder; the name only selects, the bytes decide.
AUDIO_SUFFIXES = frozenset(
    ".3g2 .3gp .aac .aif .aiff .amr .au .caf .flac .m4a .m4b .mkv .mov .mp3 .mp4 "
    ".oga .ogg .opus .wav .webm .wma".split()
)


class ManifestError(Exception):
    """A CSV that does not list recordings; the message is one line."""


def audio_files(directory: Path) -> list[Path]:
    """List the audio files below `directory`, sorted.

    Raises
    ------
    NotADirectoryError
        When there is no such folder.
    """
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory}: no such folder")
    return sorted(
        path
        for path in directory.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()
    )


def read_manifest(path: Path) -> list[Path]:
    """List the ``path`` column of a CSV; relative paths start at its folder.

    Raises
    ------
    ManifestError
        The file cannot be read, or has no such column or no rows.
    """
    return [path.parent / row["path"] for row in read_rows(path, ("path",))]


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a CSV that must have `columns`.

    Raises
    ------
    ManifestError
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            rows = list(reader)
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: not a CSV in UTF-8: {error}") from None
    if missing:
        raise ManifestError(f"{path}: the column {missing[0]!r} is missing")
    if not rows:
        raise ManifestError(f"{path}: no rows")
    return rows


def waveform_of(path: Path, limits: AudioLimits) -> FloatArray:
    """Decode a file.

    Raises
    ------
    AudioError
    OSError
    """
    return decode(path.read_bytes(), limits)[0]


def features_of(path: Path, limits: AudioLimits) -> FloatArray:
    """Decode a file and describe it by its features.

    Raises
    ------
    AudioError
    OSError
    """
    return extract(waveform_of(path, limits), SAMPLE_RATE)


def found(paths: list[Path]) -> Iterator[Path]:
    """Yield files as they are and folders as the audio files in them."""
    for path in paths:
        if path.is_dir():
            yield from audio_files(path)
        else:
            yield path
