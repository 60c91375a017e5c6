"""Appending to files so that what was appended is there after a crash."""

from __future__ import annotations

import os
from pathlib import Path

_BLOCK_BYTES = 4096


def append(descriptor: int, data: bytes) -> None:
    """Append all of `data` and wait for the disk, or leave the file as it was.

    Raises
    ------
    OSError
        When the disk takes no more.
    """
    end = os.lseek(descriptor, 0, os.SEEK_END)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def cut_torn_line(descriptor: int) -> None:
    """Cut what follows the last line end: a crash may have torn the last append."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    start = whole = end
    while start and whole == start:
        start = max(0, whole - _BLOCK_BYTES)
        block = os.pread(descriptor, whole - start, start)
        whole = start + block.rfind(b"\n") + 1
    if whole < end:
        os.ftruncate(descriptor, whole)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, such as a new file's."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
