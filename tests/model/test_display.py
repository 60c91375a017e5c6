"""Text from outside, printed: it moves no cursor and shows no secret."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from model.display import age, duration, escaped, printable

HOSTILE = "a\x1b[31mb\x07\x9b2J\u202eevil\ud800\nc"


def test_no_control_character_is_printed() -> None:
    assert printable(HOSTILE) == "a?[31mb??2J?evil? c"
    assert printable("हिन्दी, 中文") == "हिन्दी, 中文"


def test_no_signature_is_printed() -> None:
    url = "https://b.s3.amazonaws.com/k?X-Amz-Signature=abc&x=1"
    assert printable(url) == "https://b.s3.amazonaws.com/k?X-Amz-Signature=***&x=1"


def test_json_says_the_same_when_it_is_escaped() -> None:
    value = {"body": HOSTILE, "name": "हिन्दी", "far": "\U000e0001"}
    text = escaped(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert all(one.isprintable() or one == "\n" for one in text)
    assert "हिन्दी" in text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("7d", 604_800), (" 2W ", 1_209_600)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7 years", "-1d", "1d2h", "9" * 99 + "d"]
)
def test_any_other_duration_says_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30m or 7d"):
        duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59, "59s"),
        (3600, "1h"),
        (93_784, "1d 2h"),
        (65, "1m 5s"),
    ],
)
def test_an_age_has_its_two_largest_units(seconds: int, text: str) -> None:
    assert age(timedelta(seconds=seconds)) == text
