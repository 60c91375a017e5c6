"""What a Postgres source calls its columns, and of what type they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from psycopg import Connection, sql
from psycopg.errors import UndefinedTable

from connectors.errors import Misconfigured
from connectors.pages import suggestion

#: The names that a table of recordings has where nothing else is said.
COLUMNS = (
    *("id", "student_id", "udise", "record_type", "subject_id", "subject_name"),
    *("test_date", "audio_url", "subject_created_at", "updated_at"),
)

_CATALOGUE: LiteralString = (
    "SELECT attname, format_type(atttypid, NULL), attnotnull FROM pg_attribute "
    "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
)


class TableColumns:
    """A table with the columns of recordings, whatever it calls them.

    Parameters
    ----------
    schema, table
        Its names as they are written in the catalogue; they are quoted here.
    mapped
        The table's own name of each of `COLUMNS` that it calls otherwise.
    """

    def __init__(
        self, schema: str, table: str, mapped: Mapping[str, str] | None = None
    ) -> None:
        self._table = sql.Identifier(schema, table)
        self._names = {name: name for name in COLUMNS} | dict(mapped or {})
        self._types: dict[str, str] = {}
        self.has_undated = True

    def look(self, connection: Connection) -> None:
        """Compare the names with the table's real columns and note their types.

        Raises
        ------
        Misconfigured
            When the table or a column is not there, with the closest name.
        """
        found = self._real(connection)
        for name, own in self._names.items():
            if own not in found:
                raise Misconfigured(
                    f"postgres: {self._table.as_string()} has no column {own!r} "
                    f"for {name}{suggestion(own, list(found))}"
                )
        self._types = {name: found[own][0] for name, own in self._names.items()}
        self.has_undated = not found[self._names["updated_at"]][1]

    def sql(self, text: LiteralString) -> sql.Composed:
        """Return SQL in which ``{table}`` is the table, as ``r``, and columns its own.

        ``{id_type}`` and the like are the types of columns.
        """
        # The catalogue wrote the types' names, quoted where they must be. A bare
        # column behind ORDER BY would be that of the output, which is text.
        types = {f"{name}_type": sql.SQL(kind) for name, kind in self._types.items()}
        names = {name: sql.Identifier("r", own) for name, own in self._names.items()}
        table = sql.SQL("{} AS r").format(self._table)
        return sql.SQL(text).format(table=table, **names, **types)

    def create_index(self, *names: str) -> str:
        """Return the statement that makes an index on columns."""
        own = [sql.Identifier(self._names[name]) for name in names]
        columns = sql.SQL(", ").join(own)
        statement = sql.SQL("CREATE INDEX ON {} ({})").format(self._table, columns)
        return statement.as_string()

    def where_undated(self) -> str:
        """Return what bounds an index to the rows without ``updated_at``."""
        column = sql.Identifier(self._names["updated_at"]).as_string()
        return f" WHERE {column} IS NULL"

    def _real(self, connection: Connection) -> dict[str, tuple[str, bool]]:
        """Return each column's type and whether it can hold no null."""
        name = self._table.as_string()
        try:
            rows = connection.execute(_CATALOGUE, [name]).fetchall()
        except UndefinedTable:
            raise Misconfigured(f"postgres: there is no table {name}") from None
        return {column: (kind, fixed) for column, kind, fixed in rows}
