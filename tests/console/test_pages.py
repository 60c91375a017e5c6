"""Each page, as Streamlit runs it, on results that the test makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from pymongo.collection import Collection
from streamlit import config
from streamlit.testing.v1 import AppTest

from connectors.mongo_reviews import Review, Reviews
from console import archive
from console.serve import SCRIPT
from model.detector import load_model
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.console.results import HOSTILE, SECRET, judged, key, normal, result
from tests.system.pipeline import Pipeline

FIRST_RUN_SECONDS = 60


@pytest.fixture
def app(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[AppTest]:
    """The console on a fresh database, as a reviewer on this machine sees it."""
    for name, value in pipeline.settings(REVIEWER="asha").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    config.set_option("server.address", "127.0.0.1")
    _forget()
    yield AppTest.from_file(SCRIPT, default_timeout=FIRST_RUN_SECONDS)
    _forget()
    config.set_option("server.address", None)


def _forget() -> None:
    """Let go of what all sessions of a server share."""
    st.cache_data.clear()
    st.cache_resource.clear()


def shown(app: AppTest) -> str:
    """Return all text of a page."""
    assert not app.exception, app.exception
    kinds = (app.title, app.subheader, app.text, app.caption, app.info, app.code)
    texts = [element.value for kind in kinds for element in kind]
    texts += [element.value for kind in (app.warning, app.error) for element in kind]
    tables = [table.value.to_csv() for table in app.dataframe]
    numbers = [f"{metric.label}: {metric.value}" for metric in app.metric]
    return "\n".join([*texts, *tables, *numbers])


def page(app: AppTest, name: str, **parameters: str) -> AppTest:
    if app.get("title"):  # another page first: filters are kept while theirs is open
        app.switch_page("views/overview.py")
    app.run()
    app.query_params = dict(parameters)
    app.switch_page(f"views/{name}.py")
    return app.run()


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [one for one in app.button if one.label == label]
    return button.click().run()


@pytest.fixture
def heard(audio_host: AudioHost, stored: Collection[dict[str, Any]]) -> list[str]:
    """Three flagged recordings with audio, by score; return their ids."""
    model = load_model()
    audio = {"a": recordings.silence(2), "b": recordings.tone(2)}
    for name, body in audio.items():
        path = f"/{name}.wav?X-Amz-Signature={SECRET}"
        url = audio_host.serve(path, Response(body))
        stored.insert_one(judged(name, url, body, model))
    stored.insert_one(result("c", anomaly_score=0.5, udise="other"))
    found = stored.find({"is_anomaly": True}).sort("anomaly_score", -1)
    return [one["_id"] for one in found]


def test_an_empty_database_says_so(app: AppTest) -> None:
    assert "No recording has been judged yet." in shown(app.run())
    assert "In the queue: 0" in shown(app)
    assert "No recording is left here." in shown(page(app, "flagged"))
    assert "No recording is left to review here." in shown(page(app, "recording"))
    assert "0 recordings" in shown(page(app, "labels"))


def test_the_overview_counts(
    app: AppTest,
    stored: Collection[dict[str, Any]],
    reviews: Reviews,
    pipeline: Pipeline,
) -> None:
    stored.insert_many([result("a"), normal("b"), normal("c", test_date="2026-02-24")])
    reviews.add(Review.of(result("a"), "false_alarm", "ravi"))
    header = "test_date,processing_status\n"
    for number in ("", ".1"):
        (pipeline.folder / f"results{number}.csv").write_text(
            header + "2026-02-23,completed\n2026-02-23,skipped_existing\n"
        )
    text = shown(app.run())
    for number in ("Judged: 3", "Flagged: 1", "Share flagged: 33.3%"):
        assert number in text
    for number in ("False alarms: 1", "Confirmed: 0", "In the queue: 0"):
        assert number in text
    assert "2026-02-23,completed,2" in text
    assert "27251600101,3,1" in text and "Hindi,3,1" in text
    text = shown(app.selectbox[0].select("2026-02-24").run())
    assert "Judged: 1" in text and "Flagged: 0" in text
    assert "2026-02-23,completed" not in text


def test_the_list_has_the_worst_first_and_is_chosen_from(
    app: AppTest, stored: Collection[dict[str, Any]], reviews: Reviews
) -> None:
    stored.insert_many(
        [
            result("bad", anomaly_score=3.0, reasons=["clipped: 61.3 %"]),
            result("worse", anomaly_score=9.0, udise="other"),
            result("done", anomaly_score=5.0),
            normal("fine"),
        ]
    )
    reviews.add(Review.of(result("done"), "unsure", "ravi"))

    def students() -> list[str]:
        return list(app.dataframe[0].value["student"]) if app.dataframe else []

    page(app, "flagged")
    assert students() == ["worse", "bad"]
    app.segmented_control[0].set_value("all").run()
    assert students() == ["worse", "done", "bad"]
    assert list(app.dataframe[0].value["review"]) == ["", "unsure", ""]
    app.segmented_control[0].set_value("reviewed").run()
    assert students() == ["done"]
    page(app, "flagged", state="all", udise="other")
    assert students() == ["worse"]
    page(app, "flagged", reason="clipped", state="nonsense", unknown="x")
    assert students() == ["bad"]
    page(app, "flagged", test_date="1999-01-01")
    assert students() == []


def test_the_list_is_turned_page_by_page(
    app: AppTest, stored: Collection[dict[str, Any]]
) -> None:
    stored.insert_many([result(f"r{n:02}", anomaly_score=99.0 - n) for n in range(30)])

    def students() -> list[str]:
        assert not app.exception
        return list(app.dataframe[0].value["student"])

    page(app, "flagged")
    first = students()
    assert first == [f"r{n:02}" for n in range(25)]
    press(app, "Next page")
    assert students() == [f"r{n:02}" for n in range(25, 30)]
    press(app, "Page before")
    assert students() == first


def test_a_recording_is_heard_seen_and_explained(
    app: AppTest, heard: list[str]
) -> None:
    text = shown(page(app, "recording", id=heard[0]))
    assert app.get("audio")[0].proto.url.endswith(".wav")
    assert "mel spectrogram, 2.0 s" in str(app.get("image")[0].proto)
    assert "student: a" in text and "judged: 2026-02-23 09:30:00" in text
    assert "X-Amz-Signature=***" in text
    assert "100.0% of the training recordings score lower." in text
    assert "All 117 features" in [expander.label for expander in app.expander]
    assert "Nobody has reviewed it yet." in text
    assert SECRET not in text


def test_a_verdict_is_kept_and_the_next_recording_comes(
    app: AppTest, heard: list[str], reviews: Reviews
) -> None:
    page(app, "recording")
    app.text_input[0].set_value("only hiss").run()
    press(app, "Confirmed")
    (review,) = reviews.of(heard[0])
    assert (review.verdict, review.note, review.reviewer) == (
        "confirmed",
        "only hiss",
        "asha",
    )
    assert app.query_params["id"] == heard[1]
    assert app.text_input[0].value == ""
    press(app, "False alarm")
    press(app, "Unsure")
    assert "No recording is left to review here." in shown(app)
    said = reviews.newest(heard)
    assert [said[id].verdict for id in heard] == ["confirmed", "false_alarm", "unsure"]


def test_one_goes_back_to_change_a_verdict(
    app: AppTest, heard: list[str], reviews: Reviews
) -> None:
    page(app, "recording")
    press(app, "Confirmed")
    press(app, "Back")
    assert app.query_params["id"] == heard[0]
    assert "asha,confirmed" in shown(app)
    press(app, "False alarm")
    assert [review.verdict for review in reviews.of(heard[0])] == [
        "false_alarm",
        "confirmed",
    ]


def test_what_cannot_be_played_can_be_reviewed(
    app: AppTest, stored: Collection[dict[str, Any]], reviews: Reviews
) -> None:
    stored.insert_one(result("a", audio_s3_url=f"https://127.0.0.1:1/?token={SECRET}"))
    text = shown(page(app, "recording", id=key("a")))
    assert r"the recording cannot be fetched\:" in text
    assert SECRET not in text
    press(app, "Unsure")
    assert reviews.of(key("a"))[0].verdict == "unsure"


def test_earlier_results_are_shown(
    app: AppTest, stored: Collection[dict[str, Any]]
) -> None:
    older = {"model_name": "earshot", "model_version": "1.1", "anomaly_score": 0.75}
    history = [{**older, "prediction_label": "normal", "reasons": []}, "no document"]
    stored.insert_one(result("a", history=history))
    text = shown(page(app, "recording", id=key("a")))
    assert "earshot 1.1,0.75,normal" in text
    assert "which is not the model that judged" not in text  # it has no features


def test_hostile_text_is_shown_letter_by_letter(
    app: AppTest, stored: Collection[dict[str, Any]], reviews: Reviews
) -> None:
    document = result(
        "a",
        reasons=[HOSTILE],
        subject_name=HOSTILE,
        udise=HOSTILE,
        student_id=HOSTILE,
        features={"peak_db": HOSTILE, HOSTILE: 1.0},
        audio=HOSTILE,
        history=HOSTILE,
    )
    stored.insert_one(document)
    reviews.add(Review.of(document, "unsure", HOSTILE, HOSTILE))
    assert "<img src=x" in shown(app.run())
    shown(page(app, "flagged", state="all"))
    shown(page(app, "recording", id=key("a")))
    (heading,) = app.subheader[:1]
    assert heading.value.startswith(r"\<img src\=x onerror\=alert\(1\)\> \[a\]\(")
    assert not any(markdown.allow_html for markdown in app.markdown)


def test_what_is_not_there_is_told_in_one_line(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "MONGO_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"
    )
    (error,) = app.run().error
    assert error.value.startswith("mongo is unavailable")
    assert not app.exception


def test_a_recording_that_is_gone_is_told(app: AppTest) -> None:
    assert "There is no such recording." in shown(page(app, "recording", id="none"))
    press(app, "Back to the list")
    assert "Flagged recordings" in shown(app)


def test_labels_are_packed_with_their_recordings(
    app: AppTest, heard: list[str], reviews: Reviews
) -> None:
    page(app, "recording")
    press(app, "Confirmed")
    press(app, "False alarm")
    assert "2 recordings" in shown(page(app, "labels"))
    press(app, "Fetch the recordings")
    shown(app)
    (save,) = app.get("download_button")
    assert save.proto.label == "Save"


def test_an_archive_that_is_full_says_how_many_it_leaves_out(
    app: AppTest, heard: list[str], reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "ARCHIVE_BYTES", len(recordings.tone(2)) + 1)
    page(app, "recording")
    press(app, "Confirmed")
    press(app, "False alarm")
    page(app, "labels")
    press(app, "Fetch the recordings")
    text = shown(app)
    assert "1 recordings are not in the file" in text
    assert "could not be fetched" not in text


def test_beyond_this_machine_nothing_is_shown_without_sign_in(app: AppTest) -> None:
    config.set_option("server.address", None)
    (error,) = app.run().error
    assert "every interface" in error.value
    assert not app.title and not app.metric
