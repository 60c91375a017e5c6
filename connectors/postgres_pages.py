"""PostgreSQL: the rows of a table of recordings, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection, sql

from connectors.pages import Found, Page, Selection, Span, moment
from connectors.postgres import open_pool, translated
from connectors.postgres_columns import TableColumns

#: Seconds for one statement: without an index a page reads the whole table.
PAGE_SECONDS = 120
#: Rows without ``updated_at`` that may be sorted anew for each page.
FEW_ROWS = 10_000
_Row = tuple[Any, ...]

_SELECT: LiteralString = (
    "SELECT {id}::text, {student_id}::text, {udise}::text, {record_type}::text, "
    "{subject_id}::text, {subject_name}::text, {audio_url}::text, "
    "{updated_at}::text, {subject_created_at}::text FROM {table} "
)
_DISCOVERED: LiteralString = (
    "WHERE {test_date} = %s AND {audio_url} <> '' AND {subject_created_at} IS NOT NULL"
)
_DATED: LiteralString = " AND {updated_at} IS NOT NULL"
_UNDATED: LiteralString = " AND {updated_at} IS NULL"
_BY_INDEX: tuple[LiteralString, ...] = (
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL enable_sort = off",
)


class RowPages:
    """A table of recordings, in the order of ``(updated_at, id)``.

    Each page is a query of its own by key: no cursor stays open, and none skips rows
    that it has read before. Times and keys travel as text, so that one that Python
    cannot hold (``infinity``) is a wrong row, not the end of the run.

    Parameters
    ----------
    dsn
        The connection string.
    schema, table, columns
        The table's names, see `TableColumns`.
    connections
        How many pages may be read at once.
    """

    orders_undated = True

    def __init__(
        self,
        dsn: str,
        schema: str,
        table: str,
        *,
        columns: Mapping[str, str] | None = None,
        connections: int = 1,
    ) -> None:
        self.name = f"{schema}.{table}"
        self._columns = TableColumns(schema, table, columns)
        self._pool = open_pool(dsn, connections, _configure)

    @property
    def has_undated(self) -> bool:
        """Whether the table lets ``updated_at`` be null."""
        return self._columns.has_undated

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def check(self, selection: Selection) -> None:
        """Compare the names with the table's real columns."""
        with translated(PAGE_SECONDS), self._pool.connection() as connection:
            self._columns.look(connection)

    def page(
        self, selection: Selection, span: Span, after: Any | None, limit: int
    ) -> Page:
        """Return the rows that follow `after`, at most `limit`."""
        query, values = self._page_query(selection, span, after)
        rows = self._rows(query, [*values, limit])
        found = [_found(row, span) for row in rows]
        last = (rows[-1][7 if span.dated else 8], rows[-1][0]) if rows else None
        return Page(found, len(rows), last if len(rows) == limit else None)

    def bounds(self, selection: Selection) -> tuple[datetime, datetime] | None:
        """Return the earliest and latest ``updated_at``, None where there is none."""
        where, values = self._where(selection)
        query = self._columns.sql(
            "SELECT min({updated_at})::text, max({updated_at})::text FROM {table} "
        )
        ((first, last),) = self._rows(query + where, values)
        ends = moment(first), moment(last)
        return (ends[0], ends[1]) if ends[0] and ends[1] else None

    def estimate(self, selection: Selection) -> int:
        """Return the planner's estimate of the rows to read."""
        where, values = self._where(selection)
        query = self._columns.sql("SELECT 1 FROM {table} ") + where
        return int(self._plan(query, values)["Plan Rows"])

    def missing_index(self, selection: Selection) -> str | None:
        """Return the ``CREATE INDEX`` that pages need, None where one serves them.

        The planner is told to avoid sorting and reading the whole table: if it does
        so all the same, no index can give a page, however small the table is now.
        """
        if self._is_sorted(selection, Span()):
            return self._columns.create_index("test_date", "updated_at", "id")
        undated = Span(dated=False)
        query, values = self._page_query(selection, undated, None)
        rows = self._plan(query, [*values, None])["Plan Rows"]
        if rows > FEW_ROWS and self._is_sorted(selection, undated):
            key = ("test_date", "subject_created_at", "id")
            return self._columns.create_index(*key) + self._columns.where_undated()
        return None

    def _is_sorted(self, selection: Selection, span: Span) -> bool:
        query, values = self._page_query(selection, span, None)
        plan = self._plan(query, [*values, 1], *_BY_INDEX)
        return bool({"Sort", "Seq Scan"} & _nodes(plan))

    def _page_query(
        self, selection: Selection, span: Span, after: Any | None
    ) -> tuple[sql.Composed, list[Any]]:
        column = "updated_at" if span.dated else "subject_created_at"
        where, values = self._where(selection)
        where += self._columns.sql(_DATED if span.dated else _UNDATED)
        for sign, end in ((">=", span.start), ("<", span.end)):
            if end is not None:
                where += self._columns.sql(f" AND {{{column}}} {sign} %s")
                values.append(end)
        if after is not None:
            where += self._columns.sql(
                f" AND ({{{column}}}, {{id}}) > "
                f"(%s::text::{{{column}_type}}, %s::text::{{id_type}})"
            )
            values.extend(after)
        order = self._columns.sql(f" ORDER BY {{{column}}}, {{id}} LIMIT %s")
        return self._columns.sql(_SELECT) + where + order, values

    def _where(self, selection: Selection) -> tuple[sql.Composed, list[Any]]:
        values: list[Any] = [selection.test_date]
        where = self._columns.sql(_DISCOVERED)
        if selection.subject_name is not None:
            where += self._columns.sql(" AND {subject_name} = %s")
            values.append(selection.subject_name)
        if selection.record_types:
            where += self._columns.sql(" AND {record_type}::text = ANY(%s)")
            values.append(list(selection.record_types))
        return where, values

    def _rows(self, query: sql.Composed, values: Sequence[Any]) -> list[_Row]:
        with translated(PAGE_SECONDS), self._pool.connection() as connection:
            return connection.execute(query, values).fetchall()

    def _plan(
        self, query: sql.Composed, values: Sequence[Any], *settings: LiteralString
    ) -> dict[str, Any]:
        explain = sql.SQL("EXPLAIN (FORMAT JSON) ") + query
        with translated(PAGE_SECONDS), self._pool.connection() as connection:
            with connection.transaction():
                for setting in settings:
                    connection.execute(setting)
                row = connection.execute(explain, values).fetchone()
        plan: dict[str, Any] = row[0][0]["Plan"] if row else {}
        return plan


def _configure(connection: Connection) -> None:
    connection.execute(f"SET statement_timeout = '{PAGE_SECONDS}s'")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET DateStyle = 'ISO'")


def _found(row: _Row, span: Span) -> Found:
    key, student, udise, record_type, subject_id, subject, url, updated, created = row
    changed_at, created_at = moment(updated), moment(created)
    fields = {
        "source_record_id": key,
        "assessment_record_id": key,
        "record_type": record_type,
        "subject_id": subject_id,
        "subject_name": subject,
        "audio_s3_url": url,
        "source_updated_at": changed_at or updated,
        "subject_created_at": created_at or created,
        "student_id": student,
        "udise": udise,
    }
    return Found(changed_at if span.dated else created_at, fields)


def _nodes(plan: Mapping[str, Any]) -> set[str]:
    found = {str(plan["Node Type"])}
    for child in plan.get("Plans", ()):
        found |= _nodes(child)
    return found
