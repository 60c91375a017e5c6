"""Settlement: the order of writes, and what a failure of each leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.announce import Announcement
from connectors.csv import CsvFile
from connectors.errors import Unavailable
from connectors.quarantine import Quarantined
from connectors.sqs import Delivery
from flows.copies import Copies
from flows.dependencies import Dependencies
from flows.downloads import Withdrawn
from flows.failures import Backoff
from flows.parsing import Malformed
from flows.settle import Settle
from flows.telemetry import Tally
from model.outcomes import CSV_COLUMNS, Judgement, Kind, Outcome, Status
from model.records import WorkItem
from tests.flows.test_copies import item

JUDGED = Judgement(
    is_anomaly=False,
    anomaly_score=0.1,
    prediction_label="normal",
    reasons=(),
    model_name="m",
    model_version="1",
    features={},
    audio={},
)


class Sevenfold(Backoff):
    """Seven seconds for each time that a message was received, and 900 at most."""

    def __init__(self) -> None:
        super().__init__(0, 900)

    def __call__(self, receive_count: int) -> float:
        return 7.0 * receive_count


class World:
    """Everything that settlement writes to: each call is noted, and can fail once."""

    def __init__(self, folder: Path) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.failing: set[str] = set()
        self.refused: set[str] = set()
        self.never: set[str] = set()
        self.gone: set[str] = set()
        self.copies = Copies()
        self.during_upsert: list[WorkItem] = []
        self.path = folder / "results.csv"
        self.csv = CsvFile(self.path, CSV_COLUMNS)

    def settle(self, quarantine: bool = True) -> Settle:
        place: Any = self
        return Settle(
            acknowledgement=place,
            results=place,
            csv=place,
            malformed=place,
            permanent=place if quarantine else None,
            announcer=place,
            backoff=Sevenfold(),
            copies=self.copies,
            dependencies=Dependencies(),
            tally=Tally(),
        )

    def _note(self, name: str, what: Any) -> None:
        if name in self.failing:
            self.failing.discard(name)
            self.calls.append((f"{name} failed", what))
            raise Unavailable(name, "away")
        self.calls.append((name, what))

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def all(self, name: str) -> list[Any]:
        return [what for called, what in self.calls if called == name]

    def upsert(self, documents: Sequence[dict[str, Any]]) -> dict[str, str]:
        self.copies.admit(self.during_upsert)
        if documents:
            self._note("upsert", [one["message_id"] for one in documents])
        return {d["_id"]: "no" for d in documents if d["message_id"] in self.never}

    def documents(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        self._note("documents", list(ids))
        return [{"_id": key, "is_anomaly": True, "udise": None} for key in ids]

    def supersede(self, documents: Sequence[dict[str, Any]]) -> dict[str, str]:
        assert not documents, "nothing here is to be superseded"
        return {}

    def append(self, rows: Sequence[Sequence[str]]) -> None:
        self._note("csv", [row[CSV_COLUMNS.index("message_id")] for row in rows])
        self.csv.append(rows)

    def announce(self, announcements: Sequence[Announcement]) -> None:
        self._note("announce", len(announcements))

    def put(self, messages: Sequence[Quarantined]) -> set[str]:
        ids = [one.delivery.message_id for one in messages]
        self._note("quarantine", ids)
        return self.refused & set(ids)

    def begin(self, message_id: str) -> bool:
        return message_id not in self.gone

    def delete(self, message_ids: Sequence[str]) -> None:
        if message_ids:
            self._note("delete", list(message_ids))

    def return_(self, message_ids: Sequence[str], delay: float = 0) -> None:
        self._note("return", (list(message_ids), delay))

    def fail(self, error: Exception) -> None:
        raise error


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.csv.close()


def one_item(message_id: str = "a", **changed: str) -> WorkItem:
    delivery = Delivery(message_id, "{}", 1)
    return replace(item(message_id, **changed), origin=delivery)


def completed(message_id: str = "a", **changed: str) -> Outcome:
    return Outcome(one_item(message_id, **changed), Status.COMPLETED, judgement=JUDGED)


def permanent(message_id: str = "a", **changed: str) -> Outcome:
    return Outcome.failed(
        one_item(message_id, **changed), Kind.PERMANENT, "decode", "no audio"
    )


def transient(message_id: str = "a") -> Outcome:
    return Outcome.failed(one_item(message_id), Kind.TRANSIENT, "download", "503")


@pytest.mark.parametrize("failing", ["upsert", "announce", "csv"])
def test_a_message_is_deleted_only_after_everything_is_written(
    world: World, failing: str
) -> None:
    world.failing = {failing}
    world.settle().settle([completed()])
    order = [name for name in world.names() if not name.endswith("failed")]
    assert order == ["upsert", "announce", "csv", "delete"]
    assert world.names().count(f"{failing} failed") == 1


def test_a_disk_that_is_full_loses_no_row_and_deletes_nothing_before(
    world: World,
) -> None:
    world.failing = {"csv"}
    world.settle().settle([completed("a"), completed("b", student_id="2")])
    assert world.names().index("csv failed") < world.names().index("delete")
    assert world.path.read_text().count("\n") == 3


def test_a_failed_item_is_returned_with_its_backoff_and_never_deleted(
    world: World,
) -> None:
    world.settle().settle([transient()])
    assert world.all("return") == [(["a"], 7.0)]
    assert world.all("delete") == []
    assert world.all("csv") == [["a"]]


def test_a_recording_whose_host_stays_down_comes_back_after_the_longest_backoff(
    world: World,
) -> None:
    later = Outcome.failed(one_item("a"), Kind.LATER, "download", "h is down")
    world.settle().settle([later])
    ((ids, delay),) = world.all("return")
    assert ids == ["a"] and 450 <= delay <= 900


def test_a_permanent_failure_is_deleted_once_its_copy_is_confirmed(
    world: World,
) -> None:
    world.failing = {"quarantine"}
    world.settle().settle([permanent()])
    assert world.names() == ["csv", "quarantine failed", "quarantine", "delete"]
    assert world.all("delete") == [["a"]]


def test_a_result_that_mongo_refuses_for_good_goes_to_the_quarantine_alone(
    world: World,
) -> None:
    world.never = {"a"}
    world.settle().settle([completed("a"), completed("b", student_id="2")])
    assert world.all("announce") == [1]
    assert world.all("quarantine") == [["a"]]
    assert world.all("delete") == [["b", "a"]]
    assert "store: no" in world.path.read_text()


def skipped(message_id: str, receive_count: int) -> Outcome:
    again = replace(one_item(message_id), receive_count=receive_count)
    return Outcome(again, Status.SKIPPED_EXISTING)


def test_what_was_stored_before_its_worker_died_is_announced_when_it_comes_again(
    world: World,
) -> None:
    world.settle().settle([skipped("a", 2)])
    assert world.names() == ["documents", "announce", "csv", "delete"]
    assert world.all("announce") == [1]


def test_what_comes_for_the_first_time_with_a_result_is_not_announced(
    world: World,
) -> None:
    world.settle().settle([skipped("a", 1)])
    assert world.names() == ["csv", "delete"]


def test_a_permanent_failure_whose_copy_is_refused_comes_back(world: World) -> None:
    world.refused = {"a"}
    world.settle().settle([permanent(), permanent("b", student_id="2")])
    assert world.all("delete") == [["b"]]
    assert world.all("return") == [(["a"], 7.0)]


def test_without_a_quarantine_queue_a_permanent_failure_is_left_to_the_redrive_policy(
    world: World,
) -> None:
    world.settle(quarantine=False).settle([permanent()])
    assert world.all("quarantine") == []
    assert world.all("return") == [(["a"], 7.0)]


def test_a_malformed_message_is_deleted_once_it_is_in_the_quarantine(
    world: World,
) -> None:
    world.settle().settle([Malformed(Delivery("a", "{", 1), "not JSON")])
    assert world.names() == ["quarantine", "delete"]
    assert world.all("delete") == [["a"]]


def test_a_malformed_message_that_was_returned_meanwhile_stays_only_on_the_queue(
    world: World,
) -> None:
    world.gone = {"a"}
    world.settle().settle([Malformed(Delivery("a", "{", 1), "not JSON")])
    assert world.all("quarantine") == []
    assert world.all("delete") == []


def test_copies_are_deleted_after_the_result_is_there(world: World) -> None:
    world.copies.admit([one_item("a"), one_item("b")])
    world.settle().settle([completed("a")])
    assert world.all("upsert") == [["a"]]
    assert world.all("csv") == [["a", "b"]]
    assert world.all("delete") == [["a", "b"]]


def test_a_copy_that_comes_while_its_result_is_written_is_not_worked_on_again(
    world: World,
) -> None:
    world.copies.admit([one_item("a")])
    world.during_upsert = [one_item("late")]
    world.settle().settle([completed("a")])
    assert world.all("delete") == [["a", "late"]]
    assert len(world.copies) == 0


def test_no_copy_of_a_failed_record_is_deleted(world: World) -> None:
    world.copies.admit([one_item("a"), one_item("b")])
    world.settle().settle([transient("a")])
    assert world.all("delete") == []
    assert sorted(ids for ids, _ in world.all("return")) == [["a"], ["b"]]


def test_what_is_withdrawn_is_returned_with_its_copies_and_leaves_no_row(
    world: World,
) -> None:
    world.copies.admit([one_item("a"), one_item("b")])
    world.settle().settle([Withdrawn(one_item("a"))])
    assert world.all("return") == [(["a", "b"], 0)]
    assert world.all("csv") == []


def test_closing_settles_nothing(world: World) -> None:
    settle = world.settle()
    settle.put([completed()])
    settle.close()
    assert world.calls == []
