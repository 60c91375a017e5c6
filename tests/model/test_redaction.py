"""Credentials in URLs are masked; what tells recordings apart is not."""

from __future__ import annotations

import pytest

from model.redaction import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h/a", "https://***@h/a"),
        ("https://u:p@ss@h/a", "https://***@h/a"),
        ("at s3://u@h/a?b=1 and s3://v@h", "at s3://***@h/a?b=1 and s3://***@h"),
        (
            "https://h/a?X-Amz-Signature=c0f&id=7",
            "https://h/a?X-Amz-Signature=***&id=7",
        ),
        ("https://h/a?X%2DAmz%2DSignature=c0f", "https://h/a?X%2DAmz%2DSignature=***"),
        ("https://h/a?sv=1&sig=c0f%2B", "https://h/a?sv=1&sig=***"),
        ('https://h/a?sig="c0f', "https://h/a?sig=***"),
        ("https://h/a?auth=x&jwt=y;hmac=z", "https://h/a?auth=***&jwt=***;hmac=***"),
        ("https://h/a?hdnea=st=1~hmac=c0f", "https://h/a?hdnea=***"),
        (
            "https://h/a?url=https%3A%2F%2Fb%2Fc%3FX-Amz-Signature%3Dc0f",
            "https://h/a?url=***",
        ),
        ('{"url":"https://h/a?token=t"}', '{"url":"https://h/a?token=***"}'),
    ],
)
def test_what_lets_somebody_in_is_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://h/a@b.wav?id=7&student=ab&v=2",
        "https://h/a?url=https%3A%2F%2Fb%2Fc%3Fid%3D7",
        "https://h/design=1/passage=2?signal=3",
        "recordings of 7@school: none",
    ],
)
def test_what_tells_recordings_apart_stays(text: str) -> None:
    assert redact(text) == text
