"""A worker whose sources call their columns and fields otherwise."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg
from bson import ObjectId
from psycopg import sql
from pymongo import MongoClient

from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.system.pipeline import Pipeline

COLUMNS = {"id": "recording", "audio_url": 'li"nk; --'}
FIELDS = {
    "teacher_record": "by.teacher",
    "subjects": "list",
    "subject_id": "subject.code",
    "audio_s3_url": "link",
}


def ends(pipeline: Pipeline) -> dict[str, str]:
    """Return what became of each message, by its trace id."""
    return {row["trace_id"]: row["processing_status"] for row in pipeline.rows()}


def test_a_row_is_looked_up_by_the_names_of_its_columns(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    kept = pipeline.add(url)
    changed = pipeline.add(url, audio_s3_url=audio_host.url("/before.wav"))
    name = sql.Identifier(pipeline.schema, pipeline.table)
    with psycopg.connect(pipeline.postgres_dsn, autocommit=True) as connection:
        for old, new in COLUMNS.items():
            rename = sql.SQL("ALTER TABLE {} RENAME {} TO {}")
            names = map(sql.Identifier, (old, new))
            connection.execute(rename.format(name, *names))

    process = pipeline.run(POSTGRES_COLUMNS=orjson.dumps(COLUMNS).decode())

    assert process.exit_code == 0, process.stderr
    assert ends(pipeline) == {
        kept["trace_id"]: "completed",
        changed["trace_id"]: "skipped_ineligible",
    }


def test_a_document_is_looked_up_by_the_names_of_its_fields(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    key = ObjectId()
    entry = {"subject": {"code": 7}, "link": url}
    document = {"_id": key, "by": {"teacher": {"list": [entry]}}}
    with MongoClient[Any](pipeline.mongo_uri) as client:
        client[pipeline.database]["assessments"].insert_one(document)
    kept, changed = (
        pipeline.message(
            link,
            number,
            source_collection="assessments",
            mongo_doc_id=str(key),
            source_record_id=f"{key}:teacher_record:7",
        )
        for number, link in enumerate((url, audio_host.url("/before.wav")))
    )
    pipeline.send(kept)
    pipeline.send(changed)

    process = pipeline.run(
        DISCOVERY_SOURCE_TYPE="mongo",
        MONGO_SOURCE_COLLECTION="assessments",
        MONGO_FIELDS=orjson.dumps(FIELDS).decode(),
    )

    assert process.exit_code == 0, process.stderr
    assert ends(pipeline) == {
        kept["trace_id"]: "completed",
        changed["trace_id"]: "skipped_ineligible",
    }
