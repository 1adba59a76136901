"""The index of the three-letter pieces of patient names, for patterns that begin with a wildcard and for fuzzy words.

SQLite: an FTS5 table over the study's columns, kept by triggers. PostgreSQL: a GIN index of pg_trgm, where the
extension can be had; without it such patterns read more rows. Migration 0002 makes them. What they find is a superset:
conditions decide.
"""

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from lamelle.archive.catalogue import study

COLUMN = "patient_name"
"""The name it covers: its key and its other groups."""
LENGTH = 3
TABLE = "name_gram"
INDEX = "ix_study_name_gram"

_TEXT = "(patient_name_key || patient_name_other)"
MAKE = f"CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX {INDEX} ON study USING gin ({_TEXT} gin_trgm_ops);"
"""What makes the index on PostgreSQL when the extension came after the catalogue."""


def there(conn: sa.Connection) -> bool:
    """Whether the catalogue has the index."""
    if conn.dialect.name == "sqlite":
        return True
    return conn.exec_driver_sql(f"SELECT to_regclass('{INDEX}')").scalar() is not None


def holding(conn: sa.Connection, choices: Sequence[Sequence[str]]) -> sa.Select[Any] | None:
    """The ids of studies whose name holds, of at least one choice, every piece of text; None if it can't tell."""
    pieces = [[text for text in choice if len(text) >= LENGTH] for choice in choices]
    if not all(pieces) or not there(conn):
        return None
    if conn.dialect.name == "sqlite":
        wanted = " OR ".join(
            f"({' AND '.join(_quoted(p) for text in choice for p in _cut(text))})" for choice in pieces
        )
        return (
            sa.select(sa.column("rowid", sa.Integer))
            .select_from(sa.table(TABLE))
            .where(sa.column(TABLE).op("MATCH", is_comparison=True)(wanted))
        )
    text = sa.literal_column(_TEXT, sa.Text)
    held = [sa.and_(*(text.contains(piece, autoescape=True) for piece in choice)) for choice in pieces]
    return sa.select(study.c.id).where(sa.or_(*held))


def literals(pattern: str) -> list[str]:
    """What stands between the wildcards of a pattern."""
    return [text for text in re.split(r"[*?]", pattern) if text]


def _cut(text: str) -> list[str]:
    """Overlapping pieces would be many; those that cover the text are enough to find it."""
    starts = [*range(0, len(text) - LENGTH, LENGTH), len(text) - LENGTH]
    return list(dict.fromkeys(text[at : at + LENGTH] for at in starts))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
