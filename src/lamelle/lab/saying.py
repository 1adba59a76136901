"""What was said of a row, field by field, and when: of two messages the later holds, whichever came first.

So every order of arrival, and every repetition, ends in the same row. What the fields mean is the verbs'; nothing here
reads the database.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from lamelle.base.db import Instant

Value = str | bool | list[str]


@dataclass(slots=True)
class Said:
    """The newest word on each field."""

    fields: dict[str, tuple[str, Value]] = field(default_factory=dict)
    """Name to (ISO 8601 time in UTC, value)."""

    @classmethod
    def read(cls, text: str) -> "Said":
        """As `text` wrote it; "" of a row nothing was said of."""
        return cls({name: (at, value) for name, (at, value) in json.loads(text or "{}").items()})

    def text(self) -> str:
        """As a row keeps it."""
        return json.dumps(self.fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def hear(self, at: datetime, values: Mapping[str, Value | datetime | None]) -> bool:
        """Take a message's values in, "" and None being silence; whether any of them holds now that did not.

        Of two at the same time the first in alphabetical order holds, so that a cancellation beats an order.
        """
        now, changed = self.moment(at), False
        for name, value in values.items():
            if value is None or value == "":
                continue
            said = self.moment(value) if isinstance(value, datetime) else value
            known = self.fields.get(name)
            if known is None or _after((now, said), known):
                self.fields[name] = (now, said)
                changed = True
        return changed

    @staticmethod
    def moment(at: datetime) -> str:
        """A time as it is kept: of one width, so that times compare as texts."""
        return at.astimezone(UTC).isoformat(timespec="microseconds")

    def value(self, name: str) -> Value:
        return self.fields[name][1] if name in self.fields else ""

    def pair(self, name: str) -> tuple[str, str]:
        """A value that is an identifier and its issuer, or the like."""
        found = self.value(name)
        return (found[0], found[1]) if isinstance(found, list) else ("", "")

    def at(self, name: str) -> datetime | None:
        """When the value that holds was said."""
        return datetime.fromisoformat(self.fields[name][0]) if name in self.fields else None

    @property
    def newest(self) -> datetime | None:
        """When anything that holds was last said."""
        return max((datetime.fromisoformat(at) for at, _ in self.fields.values()), default=None)

    def columns(self, table: sa.Table) -> dict[str, Any]:
        """The values that are columns of the table, with the two that tell of the saying."""
        values: dict[str, Any] = {"said": self.text(), "said_at": self.newest}
        for name, (_, value) in self.fields.items():
            if name in table.c and not isinstance(value, list):
                instant = isinstance(table.c[name].type, Instant)
                values[name] = datetime.fromisoformat(str(value)) if instant else value
        return values


def _after(new: tuple[str, Value], known: tuple[str, Value]) -> bool:
    return new[0] > known[0] or (new[0] == known[0] and json.dumps(new[1]) < json.dumps(known[1]))
