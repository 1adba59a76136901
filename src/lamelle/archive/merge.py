"""What a study or series says when its instances disagree: the same, whatever the order they came in.

The lead is the instance with the lowest UID; what it leaves empty is filled from the next lowest that says it. So a
catalogue rebuilt from the blobs equals the one that grew, and nothing a late instance says can be lost.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Values = Mapping[str, Any]


@dataclass(slots=True)
class Merged:
    """The values of several instances as one row."""

    lead: str
    values: dict[str, Any]
    fills: dict[str, str] = field(default_factory=dict)
    """For each column the lead leaves empty: the UID of the instance its value comes from."""

    def add(self, uid: str, values: Values) -> bool:
        """Take one more instance in; whether anything changed."""
        if uid < self.lead:
            return self._lead(uid, values)
        changed = False
        for column, value in values.items():
            empty = _empty(self.values.get(column))
            if not _empty(value) and (empty or (column in self.fills and uid < self.fills[column])):
                self.values[column], self.fills[column] = value, uid
                changed = True
        return changed

    def _lead(self, uid: str, values: Values) -> bool:
        for column, value in values.items():
            if not _empty(value):
                self.values[column] = value
                self.fills.pop(column, None)
            elif not _empty(self.values.get(column)):
                self.fills.setdefault(column, self.lead)
        self.lead = uid
        return True

    def packed_fills(self) -> str | None:
        """`fills` as the catalogue holds it."""
        return json.dumps(self.fills, sort_keys=True) if self.fills else None


def _empty(value: Any) -> bool:
    return value is None or value == ""
