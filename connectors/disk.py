"""Appending to files so that what was appended is there after a crash."""

from __future__ import annotations

import os


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
