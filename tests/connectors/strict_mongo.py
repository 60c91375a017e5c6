"""A server of Mongo's protocol that keeps MongoDB's own order and rules of matching.

The emulated server stores JSON: it holds no date beyond year 9999, tells few types from
each other and looks into no array. What hangs on that is tested here.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

from tests.connectors.strict_matching import Document, matches, order_key, sort_key

_CODEC: CodecOptions[Document] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS
)
_HEADER = struct.Struct("<iiii")
_REPLY = struct.Struct("<iqii")
_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_DUPLICATE = {"code": 11_000, "errmsg": "E11000 duplicate key error index: _id_"}
_HELLO = {
    "ismaster": True,
    "helloOk": True,
    "maxBsonObjectSize": 16 << 20,
    "maxMessageSizeBytes": 48 << 20,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
}


class StrictMongo:
    """Collections in memory, whatever their database.

    Attributes
    ----------
    uri
        Where it is.
    filters
        The filter of each query so far.
    answers
        What commands are answered instead, by their names.
    """

    def __init__(self) -> None:
        self._collections: dict[str, list[Document]] = defaultdict(list)
        self._lock = threading.Lock()
        self.uri = ""
        self.filters: list[Document] = []
        self.answers: dict[str, Document] = {}

    def answer(self, command: Document) -> Document:
        """Return the answer to a command."""
        name = next(iter(command))
        if name in self.answers:
            return self.answers[name]
        done = getattr(self, f"_{name.lower()}", None)
        if done is None:
            return {"ok": 0.0, "code": 59, "errmsg": f"no such command: {name!r}"}
        with self._lock:
            return {"ok": 1.0, **done(command)}

    def _hello(self, command: Document) -> Document:
        return _HELLO

    _ismaster = _hello

    def _ping(self, command: Document) -> Document:
        return {}

    _endsessions = _ping

    def _insert(self, command: Document) -> Document:
        self._collections[command["insert"]] += command["documents"]
        return {"n": len(command["documents"])}

    def _find(self, command: Document) -> Document:
        self.filters.append(command["filter"])
        found = self._matching(command["find"], command["filter"])
        for path, direction in reversed(command.get("sort", {}).items()):
            found.sort(key=partial(sort_key, path), reverse=direction < 0)
        return _cursor(found[: command.get("limit") or None])

    def _aggregate(self, command: Document) -> Document:
        query = command["pipeline"][0]["$match"]
        count = len(self._matching(command["aggregate"], query))
        return _cursor([{"_id": 1, "n": count}] if count else [])

    def _listindexes(self, command: Document) -> Document:
        return _cursor([{"v": 2, "name": "_id_", "key": {"_id": 1}}])

    def _update(self, command: Document) -> Document:
        errors = [
            {"index": index, **_DUPLICATE}
            for index, one in enumerate(command["updates"])
            if not self._change(command["update"], one)
        ]
        done = len(command["updates"]) - len(errors)
        return {"n": done, "nModified": done} | (
            {"writeErrors": errors} if errors else {}
        )

    def _delete(self, command: Document) -> Document:
        documents = self._collections[command["delete"]]
        gone = [
            document
            for one in command["deletes"]
            for document in self._matching(command["delete"], one["q"])
        ]
        documents[:] = [one for one in documents if one not in gone]
        return {"n": len(gone)}

    def _matching(self, name: str, query: Document) -> list[Document]:
        return [one for one in self._collections[name] if matches(one, query)]

    def _change(self, name: str, update: Document) -> bool:
        """Do one update; tell whether no document of its id was in the way."""
        found = self._matching(name, update["q"])
        if not found and update.get("upsert"):
            key = update["q"]["_id"]
            if self._matching(name, {"_id": key}):
                return False
            found = [{"_id": key}]
            self._collections[name] += found
        for document in found[:1]:
            _apply(document, update["u"])
        return True


def _apply(document: Document, update: Document) -> None:
    _refuse_conflicts([path for fields in update.values() for path in fields])
    for path, value in update.get("$set", {}).items():
        *parents, name = path.split(".")
        within = document
        for parent in parents:
            within = within.setdefault(parent, {})
        within[name] = value
    for path in update.get("$unset", {}):
        *parents, name = path.split(".")
        within = document
        for parent in parents:
            within = within.get(parent, {})
        within.pop(name, None)
    for name, value in update.get("$max", {}).items():
        if name not in document or order_key(document[name]) < order_key(value):
            document[name] = value


def _refuse_conflicts(paths: list[str]) -> None:
    """Refuse to write a path twice, or one within another."""
    for number, path in enumerate(paths):
        for other in paths[:number]:
            one, two = sorted((path, other), key=len)
            assert two != one and not two.startswith(f"{one}."), f"{one} and {two}"


def _cursor(documents: list[Document]) -> Document:
    return {"cursor": {"id": bson.Int64(0), "ns": "any.any", "firstBatch": documents}}


@contextmanager
def strict_mongo() -> Iterator[StrictMongo]:
    """Run a server for a while."""
    mongo = StrictMongo()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while header := self.rfile.read(_HEADER.size):
                size, request, _, operation = _HEADER.unpack(header)
                body = self.rfile.read(size - _HEADER.size)
                self.wfile.write(_answered(mongo, request, operation, body))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        mongo.uri = f"mongodb://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield mongo
        server.shutdown()
        thread.join()


def _answered(mongo: StrictMongo, request: int, operation: int, body: bytes) -> bytes:
    """Return the whole answer to a message, its header included."""
    if operation == _OP_QUERY:  # a driver's first hello is of the old kind
        start = body.index(b"\0", 4) + 1 + 8
        answer = mongo.answer(bson.decode(body[start:], _CODEC))
        kind, head = _OP_REPLY, _REPLY.pack(8, 0, 0, 1)
    else:
        answer = mongo.answer(_command(body))
        kind, head = _OP_MSG, bytes(5)
    text = head + bson.encode(answer)
    return _HEADER.pack(_HEADER.size + len(text), 1, request, kind) + text


def _command(body: bytes) -> Document:
    """Return the command of an OP_MSG, its sequences of documents among its fields."""
    command: Document = {}
    place = 4
    while place < len(body):
        section, place = body[place], place + 1
        (size,) = struct.unpack_from("<i", body, place)
        part = body[place : place + size]
        place += size
        if section == 0:
            command = bson.decode(part, _CODEC) | command
        else:
            end = part.index(b"\0", 4)
            documents: list[Any] = bson.decode_all(part[end + 1 :], _CODEC)
            command |= {part[4:end].decode(): documents}
    return command
