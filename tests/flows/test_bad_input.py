"""Malformed bodies and bad answers, each with its exact end; no step ever raises."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sqs import Delivery
from flows.parsing import Malformed, parse
from model.outcomes import Kind, Outcome, Status
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.flows.test_worker import Rig, rig  # noqa: F401
from tests.model import bad_files as files
from tests.model.test_records import MESSAGE, REQUIRED

WAV = recordings.tone(0.3)


def body(**changed: Any) -> str:
    return json.dumps({**MESSAGE, **changed})


def without(name: str) -> str:
    return json.dumps({key: value for key, value in MESSAGE.items() if key != name})


NO_OBJECT = {
    "nothing": ("", "body: not JSON"),
    "blanks": ("  \n", "body: not JSON"),
    "a brace": ("{", "body: not JSON"),
    "two objects": ("{}{}", "body: not JSON"),
    "a comma too many": ('{"a": 1,}', "body: not JSON"),
    "single quotes": ("{'a': 1}", "body: not JSON"),
    "not a number": ('{"a": NaN}', "body: not JSON"),
    "a control character": ('{"a": "\x00"}', "body: not JSON"),
    "half a surrogate pair": ('{"a": "\ud800"}', "body: not JSON"),
    "an escaped half": ('{"a": "\\ud800"}', "body: not JSON"),
    "a byte order mark": ("\ufeff{}", "body: not JSON"),
    "depth": ("[" * 100_000, "body: not JSON"),
    "xml": ("<message/>", "body: not JSON"),
    "base64": ("eyJhIjoxfQ==", "body: not JSON"),
    "a megabyte": ("x" * 1_000_000, "body: not JSON"),
    "null": ("null", "body: expected a JSON object, got NoneType"),
    "true": ("true", "body: expected a JSON object, got bool"),
    "a number": ("17", "body: expected a JSON object, got int"),
    "a text": ('"record"', "body: expected a JSON object, got str"),
    "a list": ("[]", "body: expected a JSON object, got list"),
    "a list of records": (f"[{body()}]", "body: expected a JSON object, got list"),
}
MISSING = {f"no {name}": (without(name), f"{name}: missing") for name in REQUIRED}
_WRONG: list[Any] = [None, [], {"$ne": None}]
WRONG_TYPE = {
    f"{name} is {value!r}": (body(**{name: value}), f"{name}: ")
    for name in REQUIRED
    for value in _WRONG
}
WRONG_URL = {
    f"url {url!r}": (body(audio_s3_url=url), "audio_s3_url: ")
    for url in (
        "file:///etc/passwd",
        "ftp://host/a.wav",
        "gopher://host",
        "javascript:alert(1)",
        "data:audio/wav;base64,AA==",
        "//host/a.wav",
        "/a.wav",
        "s3://bucket",
        "s3://bucket/",
        "http://",
        "https:///a.wav",
        "http://[::1/a.wav",
        "http://host/a\nX-Header: 1",
        "http://host/a\u202e.wav",
    )
}
WRONG_VALUE = {
    f"{name} is {value!r}"[:60]: (body(**{name: value}), f"{name}: ")
    for name, value in [
        ("test_date", "23-02-2026"),
        ("test_date", "2026-02-30"),
        ("test_date", 20260223),
        ("trace_id", "abc"),
        ("trace_id", "g" * 32),
        ("trace_id", "0" * 32 + "\n"),
        ("discovered_at", "yesterday"),
        ("discovered_at", 1771840800),
        ("discovered_at", "2026-02-23T10:00:00"),
        ("source_updated_at", "2026-02-23"),
        ("student_id", True),
        ("student_id", 1e300),
        ("student_id", "a\u0000b"),
        ("udise", ["1"]),
        ("subject_id", {"$gt": ""}),
        ("mongo_doc_id", 1.5e200),
    ]
}
BODIES = {**NO_OBJECT, **MISSING, **WRONG_TYPE, **WRONG_URL, **WRONG_VALUE}


def test_there_are_sixty_bodies_and_sixty_answers_at_least() -> None:
    assert len(BODIES) >= 60
    assert len(ANSWERS) >= 60


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_record_says_what_is_wrong_with_it(name: str) -> None:
    text, words = BODIES[name]
    delivery = Delivery("m", text, 1)
    end = parse(delivery)
    assert isinstance(end, Malformed)
    assert end.delivery is delivery
    assert end.reason.startswith(words)
    assert "\n" not in end.reason


@given(st.text(st.characters(exclude_categories=[])))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    assert isinstance(parse(Delivery("m", text, 1)), Malformed)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(MESSAGE)), _JSON, max_size=4))
def test_no_fields_make_the_parser_raise(changed: dict[str, Any]) -> None:
    end = parse(Delivery("m", body(**changed), 1))
    if isinstance(end, Malformed):
        assert end.reason and "\n" not in end.reason


@dataclass(frozen=True)
class Answer:
    """What a host answers, and how the item ends then."""

    response: Response
    kind: Kind
    stage: str
    words: str


def _status(code: int, kind: Kind, words: str = "") -> Answer:
    return Answer(Response(status=code), kind, "download", words or str(code))


def _no_audio(data: bytes, words: str = "") -> Answer:
    return Answer(Response(data), Kind.PERMANENT, "decode", words)


def _sent(response: Response, kind: Kind, words: str) -> Answer:
    return Answer(response, kind, "download", words)


REFUSALS = {
    f"status {code}": _status(code, Kind.PERMANENT)
    for code in (400, 401, 402, 403, 404, 405, 406, 410, 415, 416, 418, 422, 451)
}
OUTAGES = {
    f"status {code}": _status(code, Kind.TRANSIENT)
    for code in (408, 425, 429, 500, 501, 502, 503, 504, 507, 520, 599)
}
TRANSPORT = {
    "a reset": _sent(Response(reset=True), Kind.TRANSIENT, "cut"),
    "cut off": _sent(Response(WAV, missing_bytes=9), Kind.TRANSIENT, "cut off"),
    "a length of a gigabyte": _sent(
        Response(WAV, missing_bytes=1 << 30), Kind.PERMANENT, "at most"
    ),
    "a redirect to a file": _sent(
        Response(status=302, headers={"Location": "file:///etc/passwd"}),
        Kind.PERMANENT,
        "InvalidSchema",
    ),
    "a redirect to a private host": _sent(
        Response(status=302, headers={"Location": "http://localhost:1/a"}),
        Kind.TRANSIENT,
        "refused",
    ),
    "a redirect without a place": _sent(Response(status=302), Kind.PERMANENT, "302"),
    "not modified": _sent(Response(status=304), Kind.PERMANENT, "304"),
    "a broken chunk": _sent(
        Response(b"zz\r\n", headers={"Transfer-Encoding": "chunked"}),
        Kind.TRANSIENT,
        "cut",
    ),
}
NO_AUDIO = {
    "nothing": _no_audio(b"", "empty"),
    **{f"text: {name}": _no_audio(data) for name, data in files.TEXTS.items()},
    **{f"foreign: {name}": _no_audio(data) for name, data in files.FOREIGN.items()},
    "a wav of no samples": _no_audio(recordings.wav(files.SILENCE[:0])),
    "half a wav": _no_audio(WAV[: len(WAV) // 2]),
    "a wav's first bytes": _no_audio(WAV[:20]),
    "half a flac": _no_audio(files.FLAC[: len(files.FLAC) // 2]),
    "half an ogg": _no_audio(files.OGG[: len(files.OGG) // 2]),
    "half an mp4": _no_audio(files.M4A[: len(files.M4A) // 2]),
    "a wav of 65,535 channels": _no_audio(files.wav(channels=9, body=bytes(1800))),
    "a wav of 1 Hz": _no_audio(files.wav(rate=1, body=bytes(100))),
    "a wav with NaN": _no_audio(files.with_samples(float("nan"))),
    "a wav with infinity": _no_audio(files.with_samples(float("inf"))),
}
ANSWERS = {**REFUSALS, **OUTAGES, **TRANSPORT, **NO_AUDIO}


def test_every_bad_answer_ends_its_own_item_as_it_should(
    rig: Rig,  # noqa: F811
    audio_host: AudioHost,
) -> None:
    names: dict[str, str | None] = {}
    bodies = []
    for number, (name, answer) in enumerate(ANSWERS.items()):
        # Good ones between them: it is not the host that is down.
        for path, response in (("bad", answer.response), ("good", Response(WAV))):
            url = audio_host.serve(f"/{number}/{path}", response)
            names[url] = name if path == "bad" else None
            rig.add_row(len(names), url)
            bodies.append(rig.message(len(names), url))

    ends = rig.run(*bodies)

    assert len(ends) == len(bodies)
    wrong = {}
    for end in ends:
        assert isinstance(end, Outcome)
        bad = names[end.item.record.audio_s3_url]
        if bad is None:
            assert end.status is Status.COMPLETED
        elif fault := _unlike(end, ANSWERS[bad]):
            wrong[bad] = fault
    assert wrong == {}
    assert rig.budget.used == 0


def _unlike(end: Outcome, answer: Answer) -> str | None:
    """Return how an outcome differs from what it should be, None where it does not."""
    failure = end.failure
    if failure is None:
        return end.status.value
    same = (failure.kind, failure.stage) == (answer.kind, answer.stage)
    fits = answer.words.lower() in failure.reason.lower()
    return None if same and fits else f"{failure.kind} {failure}"


Make = Callable[[bytes], Response]
_RESPONSES: list[Make] = [
    Response,
    lambda data: Response(data, headers={"Content-Encoding": "gzip"}),
    lambda data: Response(data, status=206),
]


@pytest.mark.parametrize("number", range(len(_RESPONSES)))
def test_recordings_with_bytes_changed_end_in_some_way(
    rig: Rig,  # noqa: F811
    audio_host: AudioHost,
    number: int,
) -> None:
    chance = random.Random(number)
    for index, good in enumerate([WAV, files.FLAC, files.OGG, files.MP3, files.M4A]):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        url = audio_host.serve(f"/{index}", _RESPONSES[number](bytes(data)))
        rig.add_row(index, url)
        (end,) = rig.run(rig.message(index, url))
        assert isinstance(end, Outcome)
