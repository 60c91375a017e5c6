"""How the console is started: Streamlit's own command line, its settings made safe."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "console" / "app.py"
#: Nothing leaves this machine, nothing is watched, errors are told without a traceback.
_OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.enableXsrfProtection": "true",
    "server.enableCORS": "true",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "theme.base": "light",
    "theme.paddingTop": "1rem",
    "theme.paddingBottom": "3rem",
}
#: The names under which a browser may ask for a console on loopback: a page from
#: elsewhere whose name leads here is refused (DNS rebinding).
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


def command(host: str, port: int, *, local: bool) -> list[str]:
    """Return the command that serves the console.

    Parameters
    ----------
    local
        Whether the address is reached from this machine alone.
    """
    options = {**_OPTIONS, "server.address": host.strip("[]"), "server.port": str(port)}
    words = [f"--{name}={value}" for name, value in options.items()]
    if local:
        words += [f"--server.allowedHosts={name}" for name in _LOOPBACK_NAMES]
    return [sys.executable, "-m", "streamlit", "run", str(SCRIPT), *words]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of that command, in which our packages are found."""
    paths = [str(ROOT), *filter(None, [given.get("PYTHONPATH")])]
    return {**given, "PYTHONPATH": os.pathsep.join(paths)}
