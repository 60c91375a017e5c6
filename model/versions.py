"""Which of two models is the older one, by their versions."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"v?(\d+(?:\.\d+)*)")


def is_older(version: str, than: str) -> bool:
    """Tell whether a model's version is older than another.

    Versions of numbers, such as ``1.2`` and ``1.10``, are compared number by number.
    Those that training gives (``240-99fb3861``) have no order, so where one of the two
    is no such version every other one counts as older.
    """
    numbers, others = _numbers(version), _numbers(than)
    if numbers is None or others is None:
        return version != than
    return numbers < others


def _numbers(version: str) -> tuple[int, ...] | None:
    found = _NUMBERS.fullmatch(version)
    if found is None:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:  # 1.0 is 1
        numbers.pop()
    return tuple(numbers)
