"""Bytes held outside this process's heap, which its children can read."""

from __future__ import annotations

import os
import resource
import tempfile
from typing import IO

#: Files beside recordings: connections, pipes of the children, libraries.
_OTHER_FILES = 512


class MemoryFile:
    """A file without a name, gone with the process that made it, however it ends.

    It lies in memory (memfd_create(2)), never on a disk and not within the bounds of
    ``/dev/shm``. Its bytes go back to the system as soon as it is closed, where those
    of a heap may not.

    Attributes
    ----------
    file
        Takes the bytes.
    path
        Where this process and its children can open it.
    """

    def __init__(self, data: bytes = b"") -> None:
        self.file, self.path = _anonymous()
        self.file.write(data)

    def close(self) -> None:
        """Give the bytes up."""
        self.file.close()


def allow_files(count: int) -> int:
    """Let this process hold so many files more; return how many the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(0, wanted - _OTHER_FILES)


def _anonymous() -> tuple[IO[bytes], str]:
    if not hasattr(os, "memfd_create"):
        named = tempfile.NamedTemporaryFile(buffering=0)
        return named, named.name
    file = os.fdopen(os.memfd_create("recording"), "wb", buffering=0)
    return file, f"/proc/{os.getpid()}/fd/{file.fileno()}"
