"""The console's own settings, beside those that all commands have."""

from __future__ import annotations

import getpass
import os
import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from flows.settings import Settings

_USER = re.compile(r"[^@\s,]*@[^@\s,]+")


def user_names(value: object) -> object:
    """Return addresses from a text with commas. Raises `ValueError`."""
    if not isinstance(value, str):
        return value
    names = [name.strip().lower() for name in value.split(",") if name.strip()]
    for name in names:
        if not _USER.fullmatch(name):
            raise ValueError(
                f"expected addresses and @domains with commas between, {name!r} is none"
            )
    return tuple(names)


class ConsoleSettings(Settings):
    """The settings of the console.

    Attributes
    ----------
    console_users
        Who may sign in: e-mail addresses, and ``@example.org`` for all of a domain;
        empty: whoever the provider lets in.
    reviewer
        Whose reviews they are where nobody signs in.
    """

    mongo_review_collection: str = "anomaly_reviews"
    console_users: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(user_names)
    ] = ()
    reviewer: str | None = None

    def admits(self, email: str) -> bool:
        """Tell whether the owner of an address may use the console."""
        email = email.lower()
        domain = "@" + email.rpartition("@")[2]
        return not self.console_users or bool({email, domain} & set(self.console_users))

    def local_reviewer(self) -> str:
        """Return who reviews where nobody signs in: REVIEWER, or the system's user."""
        if self.reviewer:
            return self.reviewer
        try:
            return getpass.getuser()
        except (KeyError, OSError):  # a container's user may have no name
            return f"uid {os.getuid()}"
