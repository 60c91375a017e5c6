"""Checks of what lies on this machine: the files, the model, the names of hosts."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from connectors.errors import Misconfigured
from flows.steering.findings import Finding
from model.detector import load_model
from model.outcomes import CSV_COLUMNS

#: Packages of which another version may give slightly other features.
_HEARD_WITH = ("numpy", "scipy", "librosa", "soxr")


def check_csv(path: Path) -> Iterator[Finding]:
    """Look at whether the CSV file can be written, and has the right columns."""
    _try_folder("csv", path)
    if path.exists():
        with path.open("rb") as file:
            first = file.readline().decode(errors="replace").strip()
        if first and first != ",".join(CSV_COLUMNS):
            text = f"{path} has other columns"
            yield Finding("csv", "error", text, f"mv {path} {path}.old")
            return
    yield Finding("csv", "ok", f"{path} can be written")


def check_quarantine_file(path: Path) -> Iterator[Finding]:
    """Look at the file that stands in for a quarantine's queue."""
    _try_folder("quarantine", path)
    text = f"{path} takes malformed messages; there is no queue for the rest"
    yield Finding("quarantine", "ok", text)


def check_model(path: Path | None) -> Iterator[Finding]:
    """Load the model: its checksum, its scikit-learn, its features."""
    model = load_model(path)
    text = f"{model.name} {model.version}: its checksum and features are right"
    others = list(_other_versions(model.card.get("versions")))
    if not others:
        yield Finding("model", "ok", text)
        return
    text = f"{model.name} {model.version}: trained with {', '.join(others)}"
    remedy = "python run_flow.py evaluate, or train it anew here"
    yield Finding("model", "warning", text, remedy)


def check_hosts(hosts: Sequence[str]) -> Iterator[Finding]:
    """Look up the hosts that may be private."""
    if not hosts:
        yield Finding("audio hosts", "ok", "any public host, no private one")
        return
    unknown = [name for name in hosts if not name.startswith("*.") and not _is(name)]
    for name in unknown:
        text = f"there is no host {name!r}"
        yield Finding("audio hosts", "warning", text, "AUDIO_ALLOWED_HOSTS")
    if not unknown:
        text = f"any public host, and private ones of {', '.join(hosts)}"
        yield Finding("audio hosts", "ok", text)


def _try_folder(check: str, path: Path) -> None:
    """Write a file where `path` will lie; raises `Misconfigured`."""
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"earshot")
            file.flush()
        if path.exists():
            path.open("ab").close()
    except OSError as error:
        raise Misconfigured(f"{check}: cannot write {path}: {error.strerror}") from None


def _other_versions(trained: object) -> Iterator[str]:
    """Yield each package of which another release is here than trained the model."""
    known = trained if isinstance(trained, dict) else {}
    for name in _HEARD_WITH:
        try:
            here = version(name)
        except PackageNotFoundError:
            continue
        there = str(known.get(name, here))
        if _release(there) != _release(here):
            yield f"{name} {there}, this is {here}"


def _release(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")[:2])


def _is(name: str) -> bool:
    """Tell whether a host's name leads to an address."""
    try:
        return bool(socket.getaddrinfo(name.strip("[]"), None))
    except OSError:
        return False
