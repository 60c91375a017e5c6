"""Which model is older."""

from __future__ import annotations

import pytest

from model.versions import is_older


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("1.2", "1.10", True),
        ("1.10", "1.2", False),
        ("1.2", "1.2", False),
        ("1.0", "1", False),
        ("v1.2", "1.3", True),
        ("2", "1.9", False),
        ("240-99fb3861", "240-99fb3861", False),
        ("240-99fb3861", "120-0a1b2c3d", True),
        ("120-0a1b2c3d", "240-99fb3861", True),
        ("1.2", "240-99fb3861", True),
        ("", "1.2", True),
    ],
)
def test_numbers_are_compared_and_any_other_version_is_another_model(
    version: str, than: str, older: bool
) -> None:
    assert is_older(version, than) is older
