"""Who may see the console, and whose reviews they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import streamlit as st

from console.settings import ConsoleSettings

_SHARED = ("redirect_uri", "cookie_secret")
_OWN = ("client_id", "client_secret", "server_metadata_url")
#: What Streamlit's extra `auth` brings: without it, sign-in begins and never ends.
_NEEDED = ("authlib", "httpx")
#: How Streamlit calls the provider whose keys stand in ``[auth]`` itself.
_DEFAULT = "default"


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def providers(secrets: Mapping[str, Any]) -> list[str]:
    """Return the sign-in providers that ``[auth]`` of ``secrets.toml`` describes whole.

    Parameters
    ----------
    secrets
        What ``secrets.toml`` holds.
    """
    auth = secrets.get("auth")
    if not isinstance(auth, Mapping) or not all(map(auth.get, _SHARED)):
        return []
    found = [_DEFAULT] if all(map(auth.get, _OWN)) else []
    for name, section in auth.items():
        if isinstance(section, Mapping) and all(map(section.get, _OWN)):
            found.append(name)
    return found


def configured() -> list[str]:
    """Return the sign-in providers there are; none where what asks them is not here."""
    installed = all(map(find_spec, _NEEDED))
    if not installed or not st.secrets.load_if_toml_exists():
        return []
    return providers(st.secrets)


def refusal(host: str) -> str | None:
    """Return why the console may not listen on an address, None where it may."""
    if is_loopback(host) or configured():
        return None
    return (
        f"--host {host}: expected a loopback address such as 127.0.0.1, or sign-in: "
        "[auth] with redirect_uri, cookie_secret, client_id, client_secret and "
        "server_metadata_url in .streamlit/secrets.toml"
    )


def reviewer_of(
    user: Mapping[str, Any], settings: ConsoleSettings, sign_in: bool
) -> str | None:
    """Return whose reviews they are; None for somebody who may not review.

    Parameters
    ----------
    user
        What the provider says of who signed in.
    sign_in
        Whether the console has sign-in.
    """
    if not sign_in:
        return settings.local_reviewer()
    email = str(user.get("email") or "")
    # A provider that lets people name any address says here which ones it has seen.
    verified = user.get("email_verified", True) in (True, "true")
    if not user.get("is_logged_in") or not email or not verified:
        return None
    return email if settings.admits(email) else None
