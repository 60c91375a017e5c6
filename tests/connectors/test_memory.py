"""Recordings in memory files: who can read them, and when they are gone."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.memory import MemoryFile, allow_files


def test_a_child_reads_it_by_its_path_from_the_beginning() -> None:
    held = MemoryFile()
    held.file.write(b"RIFF")
    read = "import sys, pathlib; print(pathlib.Path(sys.argv[1]).read_bytes())"
    ended = subprocess.run(
        [sys.executable, "-c", read, held.path], capture_output=True, text=True
    )
    assert ended.stdout == "b'RIFF'\n"
    held.close()


def test_it_is_gone_when_it_is_closed() -> None:
    held = MemoryFile(b"RIFF")
    held.close()
    assert not Path(held.path).exists()


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_as_many_files_are_allowed_as_recordings_are_held(
    limits: tuple[int, int],
) -> None:
    hard = limits[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    allow_files(1_000)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 1_000 < soft <= hard
    allow_files(10)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
    assert allow_files(1 << 40) < hard
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
