"""What the documents of a Mongo source call their fields, and what a subject holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bson.datetime_ms import DatetimeMS

from connectors.errors import Misconfigured
from connectors.mongo_ids import id_text
from connectors.pages import moment, suggestion
from model.records import source_text

#: The fields of a document, and of one subject in it, where nothing else is said.
DOCUMENT_FIELDS = (
    *("student_id", "udise", "test_date", "updated_at"),
    *("teacher_record", "admin_record"),
)
SUBJECT_FIELDS = ("subject_id", "subject_name", "audio_s3_url", "created_at")
FIELDS = (*DOCUMENT_FIELDS, "subjects", *SUBJECT_FIELDS)
#: What a subject may call them besides.
_ALSO = {"audio_s3_url": "audio_url", "created_at": "subject_created_at"}

Document = Mapping[str, Any]


class FieldNames:
    """The names in use.

    Parameters
    ----------
    mapped
        The documents' own name of each of `FIELDS` that they call otherwise; a dot
        leads into a part of the document.
    """

    def __init__(self, mapped: Mapping[str, str] | None = None) -> None:
        self._mapped = dict(mapped or {})
        self._names = {name: name for name in FIELDS} | self._mapped

    def __getitem__(self, name: str) -> str:
        return self._names[name]

    def subjects(self, record_type: str) -> str:
        """Return the path of a record type's list of subjects."""
        return f"{self[record_type]}.{self['subjects']}"

    def subjects_in(self, document: Document, record_type: str) -> list[Document]:
        """Return the subjects of a document, whatever else stands among them."""
        subjects = at_path(document, self.subjects(record_type))
        entries = subjects if isinstance(subjects, list) else []
        return [entry for entry in entries if isinstance(entry, dict)]

    def named_subjects(
        self, document: Document, record_type: str
    ) -> list[dict[str, Any]]:
        """Return the subjects of a document under the names of `SUBJECT_FIELDS`."""
        return [
            {name: self.of_subject(subject, name) for name in SUBJECT_FIELDS}
            for subject in self.subjects_in(document, record_type)
        ]

    def of_subject(self, subject: Document, name: str) -> Any:
        """Return a field of a subject, under its second name where it has one."""
        value = at_path(subject, self[name])
        if value in (None, "") and name in _ALSO:
            return subject.get(_ALSO[name])
        return value

    def projection(self, names: Iterable[str]) -> dict[str, int]:
        """Return the projection to the parts of a document that hold some fields."""
        return {self[name].split(".", 1)[0]: 1 for name in names}

    def recordings(
        self, document: Document, record_types: Iterable[str]
    ) -> Iterator[dict[str, Any]]:
        """Yield the message fields of each recording in a document."""
        for kind in record_types:
            for subject in self.subjects_in(document, kind):
                fields = self._recording(document, kind, subject)
                if fields is not None:
                    yield fields

    def check(self, documents: Iterable[Document]) -> None:
        """Look for the mapped names in some documents.

        Raises
        ------
        Misconfigured
            When none of them has a name, with the closest of those that they have.
        """
        known = {path for document in documents for path in _paths(document)}
        for name, wanted in self._mapped.items():
            if known and wanted not in known:
                closest = suggestion(wanted, sorted(known))
                raise Misconfigured(
                    f"mongo: none of the documents that were looked at has {wanted!r} "
                    f"for {name}{closest}"
                )

    def _recording(
        self, document: Document, kind: str, subject: Document
    ) -> dict[str, Any] | None:
        url = self.of_subject(subject, "audio_s3_url")
        created = self.of_subject(subject, "created_at")
        if url in (None, "") or created is None:
            return None
        key = id_text(document["_id"])
        subject_id = source_text(self.of_subject(subject, "subject_id"))
        return {
            "mongo_doc_id": key,
            "source_record_id": f"{key}:{kind}:{subject_id or ''}",
            "record_type": kind,
            "subject_id": subject_id,
            "subject_name": source_text(self.of_subject(subject, "subject_name")),
            "audio_s3_url": url,
            "subject_created_at": moment(created) or created,
            "source_updated_at": _changed(at_path(document, self["updated_at"])),
            "student_id": source_text(at_path(document, self["student_id"])),
            "udise": source_text(at_path(document, self["udise"])),
        }


def at_path(document: Document, path: str) -> Any:
    """Return what lies at a dotted path, None where nothing does."""
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _changed(value: Any) -> Any:
    """Return a time of change, as it is where it is a date that Python cannot hold."""
    return value if isinstance(value, DatetimeMS) else moment(value)


def _paths(value: Any, above: str = "") -> Iterator[str]:
    """Yield the path of every field, and its path from each list that it lies in."""
    if isinstance(value, list):
        for entry in value:
            yield from _paths(entry)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield f"{above}{name}"
            yield from _paths(inner, f"{above}{name}.")
            if not above:
                yield from _paths(inner)
