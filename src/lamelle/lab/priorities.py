"""What comes first: rules that a department edits, each worth some hours of waiting.

A case comes before another when the hours it has waited and the hours its rules add are more. What is kept
(`case.priority`) is that sum less the time itself, in minutes: it orders cases alike at every moment, so that nothing
has to be counted anew as time passes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, get_args

import sqlalchemy as sa

from lamelle.access import places, telling
from lamelle.access.model import Caller, Reach, Resource
from lamelle.audit import ledger
from lamelle.base.errors import Invalid, NotFound
from lamelle.lab.records import case
from lamelle.lab.room import Lab
from lamelle.lab.working import OPEN, priority_rule

Field = Literal["urgency", "frozen", "specialty", "department", "requester", "adicap"]

EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
DONE: Final = -(2**31) + 1
"""Of a case that is validated or cancelled: after all others."""
LONGEST_HOURS: Final = 100_000
MOST_RULES: Final = 200
LONGEST: Final = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """Cases whose `field` is `value` come as if they had waited `hours` longer, or shorter."""

    field: Field
    value: str
    """As the case has it; of `frozen` it is yes, of `adicap` the code begins so."""
    hours: int

    def __post_init__(self) -> None:
        known = self.field in get_args(Field) and 0 < len(self.value) <= LONGEST
        if not known or abs(self.hours) > LONGEST_HOURS or (self.field == "frozen" and self.value != "yes"):
            raise Invalid("bad_priority_rule", "a rule has a field that is known, a value, and a number of hours")

    def fits(self, row: Any) -> bool:
        """Whether it is about this case."""
        if self.field == "frozen":
            return bool(row.frozen)
        if self.field == "adicap":
            return str(row.adicap).startswith(self.value)
        return bool(getattr(row, self.field) == self.value)


Rules = Sequence[Rule]


@dataclass(frozen=True, slots=True)
class Held:
    """The rules by which a place goes."""

    place: int
    source: int | None
    """Whose they are: its own, or those of the nearest place it is in that has any; None: the usual ones."""
    rules: Rules


USUAL: Final[Rules] = (Rule("frozen", "yes", 1000), Rule("urgency", "stat", 500), Rule("urgency", "urgent", 72))
"""Where a department has said nothing, nor any place it is in."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Part of a priority; of the field `age` the hours are those waited."""

    field: str
    value: str
    hours: int


# -- what a case gets ------------------------------------------------------------------------------------------------


def of(conn: sa.Connection, row: Any, state: str) -> int:
    """What is kept of a case as its row is and `state` is about to be."""
    return _kept(rules_of(conn, row.place), row, state)


def waited_since(row: Any) -> datetime:
    """When its waiting began, for a priority."""
    found: datetime = row.received_at or row.ordered_at or row.created_at
    return found


def hours(priority: int, now: datetime) -> int:
    """What a kept priority is at this moment, in hours."""
    return 0 if priority == DONE else round((priority + (now - EPOCH) / timedelta(minutes=1)) / 60)


def why(rules: Rules, row: Any, now: datetime) -> list[Reason]:
    """The parts of a case's priority, the greatest first; none of one that is done."""
    if row.priority == DONE:
        return []
    age = Reason("age", "", round((now - waited_since(row)) / timedelta(hours=1)))
    ruled = (Reason(rule.field, rule.value, rule.hours) for rule in rules if rule.fits(row))
    return [*sorted(ruled, key=lambda one: -abs(one.hours)), age]


def _kept(rules: Rules, row: Any, state: str) -> int:
    if state in {"validated", "cancelled"}:
        return DONE
    added = sum(rule.hours for rule in rules if rule.fits(row))
    return added * 60 - (waited_since(row) - EPOCH) // timedelta(minutes=1)


# -- the rules -------------------------------------------------------------------------------------------------------


def rules_of(conn: sa.Connection, place: int) -> Rules:
    """The rules of a place: its own, or those of the nearest place it is in that has any, or the usual ones."""
    kept = _everything(conn)
    return _held(kept, places.tree(conn), place).rules if kept else USUAL


def held(conn: sa.Connection, reach: Reach) -> list[Held]:
    """Every place within reach with the rules by which it goes."""
    kept, tree = _everything(conn), places.tree(conn)
    return [_held(kept, tree, one.id) for one in tree if reach.holds(Resource(one.id))]


def _held(kept: Mapping[int, Rules], tree: places.Tree, place: int) -> Held:
    source = next((above for above in tree.above(place) if above in kept), None)
    return Held(place, source, USUAL if source is None else kept[source])


def _everything(conn: sa.Connection) -> dict[int, Rules]:
    """The rules there are, by place."""
    found: dict[int, list[Rule]] = {}
    asked = sa.select(priority_rule).order_by(
        priority_rule.c.hours.desc(), priority_rule.c.field, priority_rule.c.value
    )
    for row in conn.execute(asked):
        found.setdefault(row.place, []).append(Rule(row.field, row.value, row.hours))
    return dict(found)


def put(lab: Lab, reach: Reach, caller: Caller, place: int, rules: Iterable[Rule]) -> None:
    """Replace the rules of a place; of all its open cases, and of places that go by its rules, the order follows.

    No rules at all: it goes by those of the place it is in again.

    Raises: NotFound("no_such_place"), also out of reach; Invalid("bad_priority_rule").
    """
    given = {(rule.field, rule.value): rule for rule in rules}
    if len(given) > MOST_RULES:
        raise Invalid("bad_priority_rule", f"a place has {MOST_RULES} rules at most")
    with lab.db.write() as conn:
        if not reach.holds(Resource(place)):
            raise NotFound("no_such_place", f"there is no place {place}")
        places.check(conn, place)
        conn.execute(sa.delete(priority_rule).where(priority_rule.c.place == place))
        rows = [
            {"place": place, "field": rule.field, "value": rule.value, "hours": rule.hours} for rule in given.values()
        ]
        if rows:
            conn.execute(sa.insert(priority_rule), rows)
        _reorder(conn, places.tree(conn).below(place))
        detail = {f"{rule.field} {rule.value}": rule.hours for rule in given.values()}
        entry = telling.entry(caller, "settings_changed", place=place, subject="priorities", detail=detail)
        ledger.record(conn, entry, lab.clock)


def _reorder(conn: sa.Connection, below: Iterable[int]) -> None:
    """Count anew what is kept of the open cases of these places."""
    columns = [case.c[name] for name in ("id", "priority", "received_at", "ordered_at", "created_at")]
    columns += [case.c[name] for name in get_args(Field)]
    for place in below:
        rules = rules_of(conn, place)
        rows = conn.execute(sa.select(*columns).where(sa.text(OPEN), case.c.place == place)).all()
        changed = [(row.id, kept) for row in rows if (kept := _kept(rules, row, "")) != row.priority]
        for case_id, kept in changed:
            conn.execute(sa.update(case).where(case.c.id == case_id).values(priority=kept))
