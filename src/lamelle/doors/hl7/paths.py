"""Where a value stands in a message, as a dialect writes it: `SPM-2.1.1 | OBX[3.1=397165007]-5.2 | 'none'`.

Alternatives from left to right, the first that is not empty holds. One is a segment, a field, and perhaps a component
and subcomponent; conditions in brackets, joined by commas, choose among segments (by field.component) or among a
field's repetitions (by component); ` ~ pattern` keeps what a regular expression's first group finds; a text in quotes
is itself.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lamelle.base.errors import Invalid
from lamelle.doors import er7
from lamelle.doors.er7 import Segment, Separators

PATH: Final = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(\[(?P<where>[^\]]+)\])?-(?P<field>\d+)(\[(?P<which>[^\]]+)\])?"
    r"(\.(?P<component>\d+)(\.(?P<sub>\d+))?)?"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Segments where a value is sought: the nearest first, then those of what they belong to."""

    layers: tuple[tuple[Segment, ...], ...]
    separators: Separators

    def segments(self, name: str) -> Iterator[Segment]:
        return (segment for layer in self.layers for segment in layer if segment.name == name)


@dataclass(frozen=True, slots=True)
class Condition:
    """Numbers of parts down to a value, and the values that are meant, or not."""

    parts: tuple[int, ...]
    values: frozenset[str]
    meant: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One alternative."""

    segment: str
    field: int
    where: tuple[Condition, ...]
    which: tuple[Condition, ...]
    parts: tuple[int, ...]
    pattern: re.Pattern[str] | None


Path = tuple[Step | str, ...]


@lru_cache(maxsize=4096)
def path(text: str) -> Path:
    """Read what a dialect says. Raises: Invalid("bad_dialect")."""
    return tuple(_step(part.strip()) for part in text.split(" | ") if part.strip())


def _step(text: str) -> Step | str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    place, _, pattern = text.partition(" ~ ")
    found = PATH.fullmatch(place.strip())
    if found is None:
        raise Invalid("bad_dialect", f"{text!r:.80} is no path like SPM-2.1.1 or OBX[3.1=code]-5")
    try:
        compiled = re.compile(pattern.strip()) if pattern else None
    except re.error as error:
        raise Invalid("bad_dialect", f"{pattern!r:.80} is no regular expression") from error
    parts = tuple(int(found[name]) for name in ("component", "sub") if found[name])
    field = int(found["field"])
    return Step(found["segment"], field, _conditions(found["where"]), _conditions(found["which"]), parts, compiled)


def _conditions(text: str | None) -> tuple[Condition, ...]:
    return tuple(_condition(part.strip()) for part in text.split(",")) if text else ()


def _condition(text: str) -> Condition:
    parts, equals, values = text.partition("=")
    meant = not parts.endswith("!")
    parts = parts.removesuffix("!")
    if not equals or not re.fullmatch(r"\d+(\.\d+)*", parts):
        raise Invalid("bad_dialect", f"[{text!s:.60}] is no condition like [3.1=code]")
    return Condition(tuple(map(int, parts.split("."))), frozenset(values.split("/")), meant)


# -- seeking ----------------------------------------------------------------------------------------------------------


def every(scope: Scope, wanted: Path) -> list[str]:
    """Every value of the first alternative that has any, in order; as text, without escapes."""
    for step in wanted:
        if isinstance(step, str):
            return [step]
        if found := [value for _, value in values(scope, step) if value]:
            return found
    return []


def first(scope: Scope, wanted: Path) -> str:
    """The first value, "" where there is none."""
    return next(iter(every(scope, wanted)), "")


def identified(scope: Scope, value: Path, issuer: Path) -> tuple[str, str]:
    """A value, and its issuer by the alternative at the same rank, or by those that `issuer` has beyond."""
    for rank, step in enumerate(value):
        if found := first(scope, (step,)):
            beside = issuer if len(issuer) == 1 else issuer[rank : rank + 1]
            return found, first(scope, beside) or first(scope, issuer[len(value) :])
    return "", ""


def values(scope: Scope, step: Step) -> Iterator[tuple[Segment, str]]:
    """Each value one alternative finds, empty ones too, with the segment it stands in."""
    for segment, repetition in found(scope, step):
        value = part(repetition, step.parts, scope.separators)
        if step.pattern:
            match = step.pattern.search(value)
            value = "" if match is None else match.group(1 if step.pattern.groups else 0)
        yield segment, value


def found(scope: Scope, step: Step) -> Iterator[tuple[Segment, str]]:
    """The repetitions of a field that a step means, as they stand."""
    for segment in scope.segments(step.segment):
        if all(_holds(segment[one.parts[0]], one.parts[1:], one, scope.separators) for one in step.where):
            for repetition in segment[step.field].split(scope.separators.repetition):
                if all(_holds(repetition, one.parts, one, scope.separators) for one in step.which):
                    yield segment, repetition


def _holds(value: str, parts: tuple[int, ...], asked: Condition, separators: Separators) -> bool:
    said = {part(one, parts, separators) for one in value.split(separators.repetition)}
    return said.isdisjoint(asked.values) is not asked.meant


def part(value: str, parts: tuple[int, ...], separators: Separators) -> str:
    """A component or subcomponent of one repetition, without escapes; HL7's null, two quotes, is empty."""
    for number, separator in zip(parts, (separators.component, separators.sub), strict=False):
        pieces = value.split(separator)
        value = pieces[number - 1] if number <= len(pieces) else ""
    value = er7.unescaped(value, separators).strip()
    return "" if value == '""' else value


def leaves(segments: Sequence[Segment], levels: Sequence[str], separators: Separators) -> list[Scope]:
    """The innermost groups of a message: each segment named in `levels` opens one within those named before it.

    A leaf sees its own segments, then those of the groups around it, then those before any group.
    """
    ended: list[Scope] = []
    stack: list[tuple[int, list[Segment]]] = [(-1, [])]

    def close(rank: int) -> None:
        if stack[-1][0] >= rank:
            ended.append(Scope(tuple(tuple(held) for _, held in reversed(stack)), separators))
        while stack[-1][0] >= rank:
            stack.pop()

    for segment in segments:
        if segment.name in levels:
            rank = levels.index(segment.name)
            close(rank)
            stack.append((rank, []))
        stack[-1][1].append(segment)
    close(0)
    return ended or [Scope((tuple(segments),), separators)]
