"""What this program is."""

from __future__ import annotations

import platform
from importlib.metadata import version

#: The version in pyproject.toml, which the image does not hold; a test compares them.
VERSION = "0.1.0"


def build_info() -> dict[str, str]:
    """Return what was built and what it runs on."""
    return {
        "version": VERSION,
        "python": platform.python_version(),
        "bytewax": version("bytewax"),
    }
