"""PostgreSQL: the rows of a table of recordings."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from connectors.errors import Misconfigured, TooSlow, Unavailable

#: Seconds for a connection, and for one statement.
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 15

#: Seconds, but milliseconds for the last: a server that vanishes without a word would
#: keep its callers for as long as the system's TCP does.
_PATIENCE = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": STATEMENT_SECONDS,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 2_000 * STATEMENT_SECONDS,
}

# The pool's own lines at each failed try would hide the one that we write.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def is_dsn(dsn: str) -> bool:
    """Tell whether `dsn` is a PostgreSQL connection string, without connecting."""
    try:
        return bool(conninfo_to_dict(dsn))
    except psycopg.ProgrammingError:
        return False


_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.InsufficientPrivilege,
    PoolTimeout,
)


@contextmanager
def translated(seconds: float = STATEMENT_SECONDS) -> Iterator[None]:
    """Turn the driver's connection errors, and a right revoked, into `Unavailable`.

    Parameters
    ----------
    seconds
        What a statement may take; one that took longer is `TooSlow`.
    """
    began = time.monotonic()
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        if time.monotonic() - began < seconds:  # a person cancelled it
            raise Unavailable("postgres", error) from error
        raise TooSlow("postgres", seconds) from error
    except _AWAY as error:
        raise Unavailable("postgres", error) from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise Misconfigured(f"postgres: {error.diag.message_primary}") from error


def open_pool(
    dsn: str,
    connections: int,
    configure: Callable[[psycopg.Connection], None],
) -> ConnectionPool:
    """Return a pool whose connections are made when they are needed, and checked.

    Parameters
    ----------
    connections
        How many there are at most.
    configure
        Called with each new connection.
    """
    return ConnectionPool(
        dsn,
        kwargs={"autocommit": True} | _patience(dsn),
        min_size=0,
        max_size=connections,
        timeout=CONNECT_SECONDS,
        configure=configure,
        check=ConnectionPool.check_connection,
        open=True,
    )


def _patience(dsn: str) -> dict[str, int]:
    """Return what ends a connection to a server that is silent; the DSN's own wins."""
    named = conninfo_to_dict(dsn)
    return {name: value for name, value in _PATIENCE.items() if name not in named}


class Rows:
    """The table of recordings, as the worker looks rows up.

    Parameters
    ----------
    dsn
        The connection string.
    schema, table
        Its names as they are written in the catalogue; they are quoted here.
    columns
        The table's own names of its ``id`` and ``audio_url``, where they differ.
    connections
        How many look-ups may run at once.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        table: str,
        *,
        columns: Mapping[str, str] | None = None,
        connections: int = 2,
    ) -> None:
        self._name = sql.Identifier(schema, table)
        self._columns = {"id": "id", "audio_url": "audio_url"} | dict(columns or {})
        self._id_type: str | None = None
        self._pool = open_pool(dsn, connections, _configure)

    def check(self) -> None:
        """Make one round trip and look at the table.

        Raises
        ------
        Unavailable
            When the server cannot be reached.
        Misconfigured
            When the table or its ``id`` is not there.
        """
        self._id_type = self._type_of_id()
        self._query([])

    def audio_urls(self, ids: Sequence[str]) -> dict[str, str | None]:
        """Return the audio URL of each row that exists, by its id; one query.

        The ids are plain data: one that the key's type cannot even hold names no
        row. Raises `Unavailable`.
        """
        try:
            return self._query(ids)
        except psycopg.DataError:
            if len(ids) <= 1:
                return {}
        halves = ids[: len(ids) // 2], ids[len(ids) // 2 :]
        return self.audio_urls(halves[0]) | self.audio_urls(halves[1])

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _query(self, ids: Sequence[str]) -> dict[str, str | None]:
        # The cast of the parameter, not of the column, lets the primary key serve.
        query = sql.SQL(
            "SELECT {key}::text, {url} FROM {table} WHERE {key} = ANY(%s::text[]::{}[])"
        ).format(
            _catalogue_name(self._key_type()),
            table=self._name,
            key=sql.Identifier(self._columns["id"]),
            url=sql.Identifier(self._columns["audio_url"]),
        )
        with translated(), self._pool.connection() as connection:
            return dict(connection.execute(query, [list(ids)]).fetchall())

    def _key_type(self) -> str:
        if self._id_type is None:
            self._id_type = self._type_of_id()
        return self._id_type

    def _type_of_id(self) -> str:
        with translated(), self._pool.connection() as connection:
            row = connection.execute(
                "SELECT format_type(atttypid, NULL) FROM pg_attribute "
                "WHERE attrelid = to_regclass(%s) AND attname = %s "
                "AND NOT attisdropped",
                [self._name.as_string(connection), self._columns["id"]],
            ).fetchone()
        if row is None:
            name = self._name.as_string()
            key = self._columns["id"]
            raise Misconfigured(f"postgres: there is no table {name} with {key!r}")
        return str(row[0])


def _configure(connection: psycopg.Connection) -> None:
    connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")


def _catalogue_name(name: str) -> sql.SQL:
    """Return a type's name as the catalogue wrote it, quoted where it must be."""
    return sql.SQL(name)
