"""What was reviewed, to measure a model with and to train the next one on."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.archive import ARCHIVE_BYTES, archive
from console.export import (
    LABEL_COLUMNS,
    MANIFEST_COLUMNS,
    Exported,
    Labelled,
    labelled,
    normals,
)
from console.frame import desk
from console.text import plain

#: Recordings that a ZIP file from here has at most: it is held in memory.
_MOST = 500
_KINDS = {
    "labels.csv": "Labels for evaluate: confirmed and false alarms",
    "manifest.csv": "A manifest for train: false alarms, which are normal",
}
#: The command that writes the same, of any number.
_OPTIONS = {"labels.csv": "--labels", "manifest.csv": "--manifest"}


def show() -> None:
    """Show the page."""
    st.title("Labels", anchor=False)
    st.caption("The newest review of a recording counts; unsure ones are left out.")
    name = st.radio("Export", list(_KINDS), format_func=lambda one: _KINDS[one])
    columns = LABEL_COLUMNS if name == "labels.csv" else MANIFEST_COLUMNS
    found = _found(name)
    st.text(f"{len(found):,} recordings")
    command = f"run_flow.py reviews export {_OPTIONS[name]} {name} --audio reviewed/"
    st.code(f"python {command}", language=None)
    if len(found) > _MOST:
        st.info(f"More than {_MOST} are exported by the command.")
        return
    if found and st.button("Fetch the recordings"):
        _show_archive(name, found, columns)


def _found(name: str) -> list[Labelled]:
    flagged, reviews = desk().flagged, desk().reviews
    if name == "labels.csv":
        return labelled(flagged, reviews)
    return normals(flagged, reviews, 0)


def _show_archive(
    name: str, found: Sequence[Labelled], columns: tuple[str, ...]
) -> None:
    with st.spinner(f"Fetching {len(found)} recordings"):
        packed, done = archive(
            *(found, columns, name, desk().downloader),
            threads=desk().settings.download_max_concurrency,
        )
    # Another run of the page would have nothing to save any more.
    save = f"{name.removesuffix('.csv')}.zip"
    st.download_button("Save", packed, save, on_click="ignore", type="primary")
    if done.cut:
        st.warning(
            f"{done.cut} recordings are not in the file, which holds "
            f"{ARCHIVE_BYTES >> 20} MiB: the command exports all of them."
        )
    _show_missing(done)


def _show_missing(done: Exported) -> None:
    if done.missing:
        st.warning(f"{len(done.missing)} recordings could not be fetched:")
        for id, why in done.missing.items():
            st.text(plain(f"{id}: {why}"))


if __name__ == "__main__":
    show()
