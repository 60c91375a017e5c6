"""An export as one file, for a browser to save."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from connectors.download import Downloader
from console.export import Exported, Labelled, export

#: Bytes of the recordings in one archive, at most: it is held in memory.
ARCHIVE_BYTES = 256 * 1024 * 1024


def archive(
    recordings: Sequence[Labelled],
    columns: tuple[str, ...],
    name: str,
    downloader: Downloader,
    *,
    threads: int,
) -> tuple[bytes, Exported]:
    """Return a ZIP file of what `export` writes, and what that was.

    Its recordings are `ARCHIVE_BYTES` together at most.
    """
    with tempfile.TemporaryDirectory() as made:
        folder, packed = Path(made), io.BytesIO()
        done = export(
            *(recordings, columns, folder / name, folder / "audio", downloader),
            threads=threads,
            most_bytes=ARCHIVE_BYTES,
        )
        # Recordings are compressed as they are.
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder))
    return packed.getvalue(), done
