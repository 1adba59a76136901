"""Who may do what, for which purpose, how far: one table, and the two questions that are answered from it.

`decide` is asked of one study, `reach` gives the filter of a list or search; a property test proves them equal.
What is not in the table is refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from lamelle.access.model import (
    ABOUT_THE_HOUSE,
    NOTHING,
    WHOLE,
    Action,
    Actor,
    Guest,
    Membership,
    Purpose,
    Reach,
    Resource,
    Role,
    Within,
)

_READ: Final = {
    Action.READ: Within.DEPARTMENT,
    Action.VIEW: Within.DEPARTMENT,
    Action.VIEW_LABEL: Within.DEPARTMENT,
}
_LOOK: Final = {Action.VIEW: Within.SHARED}
_DOCTOR: Final = _READ | {
    Action.EXPORT: Within.DEPARTMENT,
    Action.STORE: Within.DEPARTMENT,
    Action.SHARE: Within.DEPARTMENT,
    Action.SCHEDULE: Within.DEPARTMENT,
    Action.REPORT: Within.DEPARTMENT,
    Action.VALIDATE: Within.DEPARTMENT,
    Action.BREAK_GLASS: Within.EVERYWHERE,
}

TABLE: Final[Mapping[tuple[Role, Purpose], Mapping[Action, Within]]] = MappingProxyType(
    {
        (Role.PATHOLOGIST, Purpose.CARE): _DOCTOR,
        (Role.PATHOLOGIST, Purpose.OPINION): _LOOK,
        (Role.RADIOLOGIST, Purpose.CARE): _DOCTOR,
        (Role.RADIOLOGIST, Purpose.OPINION): _LOOK,
        (Role.RESIDENT, Purpose.CARE): _READ
        | {Action.REPORT: Within.DEPARTMENT, Action.BREAK_GLASS: Within.EVERYWHERE},
        (Role.RESIDENT, Purpose.OPINION): _LOOK,
        (Role.TECHNICIAN, Purpose.CARE): _READ | {Action.STORE: Within.DEPARTMENT, Action.SCHEDULE: Within.DEPARTMENT},
        (Role.TECHNICIAN, Purpose.OPERATIONS): {Action.OPERATE: Within.DEPARTMENT},
        (Role.SECRETARY, Purpose.CARE): _READ | {Action.SCHEDULE: Within.DEPARTMENT},
        (Role.MANAGER, Purpose.OPERATIONS): {Action.OPERATE: Within.ESTABLISHMENT},
        (Role.RESEARCHER, Purpose.RESEARCH): _LOOK,
        (Role.TEACHER, Purpose.TEACHING): _LOOK,
        (Role.STUDENT, Purpose.TEACHING): _LOOK,
        (Role.ARCHIVIST, Purpose.OPERATIONS): {
            Action.READ: Within.ESTABLISHMENT,
            Action.VIEW: Within.ESTABLISHMENT,
            Action.VIEW_LABEL: Within.ESTABLISHMENT,
            Action.EXPORT: Within.ESTABLISHMENT,
            Action.STORE: Within.ESTABLISHMENT,
            Action.DELETE: Within.ESTABLISHMENT,
            Action.SHARE: Within.ESTABLISHMENT,
            Action.SCHEDULE: Within.ESTABLISHMENT,
            Action.OPERATE: Within.ESTABLISHMENT,
        },
        (Role.ADMINISTRATOR, Purpose.OPERATIONS): {
            Action.OPERATE: Within.ESTABLISHMENT,
            Action.ADMINISTER: Within.ESTABLISHMENT,
        },
        (Role.PROTECTION_OFFICER, Purpose.OPERATIONS): {Action.AUDIT: Within.ESTABLISHMENT},
        (Role.EXPERT, Purpose.OPINION): _LOOK,
        (Role.DEVICE, Purpose.CARE): {
            Action.READ: Within.ESTABLISHMENT,
            Action.VIEW: Within.ESTABLISHMENT,
            Action.VIEW_LABEL: Within.ESTABLISHMENT,
            Action.EXPORT: Within.ESTABLISHMENT,
            Action.STORE: Within.ESTABLISHMENT,
            Action.SCHEDULE: Within.ESTABLISHMENT,
            Action.REPORT: Within.ESTABLISHMENT,  # the laboratory information system brings reports
        },
    }
)
"""A reach of DEPARTMENT or more holds what is shared for the same purpose too."""


def decide(actor: Actor, action: Action, resource: Resource, purpose: Purpose) -> bool:
    """Whether the actor may do this with that, for the purpose."""
    if actor.kind == "system":
        return True
    if action is Action.BREAK_GLASS:  # what is asked is whether somebody may; the glass opens one patient's studies
        resource = replace(resource, guests=frozenset())
    return any(
        _within(actor, membership, within, resource, purpose) for membership, within in _granted(actor, action, purpose)
    )


def reach(actor: Actor, action: Action, purpose: Purpose) -> Reach:
    """Everything for which `decide` says yes; `labels` is set where the actor may see labels of all of it."""
    if actor.kind == "system":
        return WHOLE
    found = _reach(actor, action, purpose)
    return replace(found, labels=_reach(actor, Action.VIEW_LABEL, purpose).covers(found)) if found else NOTHING


def purposes(actor: Actor) -> tuple[Purpose, ...]:
    """What the actor's roles know purposes for, in the order of the table."""
    roles = {membership.role for membership in actor.memberships}
    if actor.kind == "system":
        return tuple(Purpose)
    return tuple(dict.fromkeys(purpose for role, purpose in TABLE if role in roles))


def _granted(actor: Actor, action: Action, purpose: Purpose) -> Iterator[tuple[Membership, Within]]:
    if actor.actions is not None and action not in actor.actions:
        return
    if action in ABOUT_THE_HOUSE:
        purpose = Purpose.OPERATIONS
    for membership in actor.memberships:
        within = TABLE.get((membership.role, purpose), {}).get(action, Within.NOWHERE)
        if within is not Within.NOWHERE:
            yield membership, within


def _within(actor: Actor, membership: Membership, within: Within, resource: Resource, purpose: Purpose) -> bool:
    if not _guests(actor, membership, purpose).isdisjoint(resource.guests):
        return True
    if within is Within.SHARED:
        return False
    if membership.everywhere or within is Within.EVERYWHERE:
        return True
    return resource.place in (membership.department if within is Within.DEPARTMENT else membership.establishment)


def _guests(actor: Actor, membership: Membership, purpose: Purpose) -> frozenset[Guest]:
    """As whom the actor, in this role, may see what is shared."""
    places = (Guest("place", place, purpose) for place in membership.department)
    return frozenset({Guest("actor", actor.id, purpose), *places})


@lru_cache(maxsize=4096)
def _reach(actor: Actor, action: Action, purpose: Purpose) -> Reach:
    places, guests = set[int](), set[Guest]()
    everything = granted = False
    for membership, within in _granted(actor, action, purpose):
        granted = True
        guests |= _guests(actor, membership, purpose)
        if within >= Within.DEPARTMENT:
            everything |= membership.everywhere or within is Within.EVERYWHERE
            places |= membership.department if within is Within.DEPARTMENT else membership.establishment
    if not granted:
        return NOTHING
    if everything or action is Action.BREAK_GLASS:
        return Reach(everything, frozenset(places))
    return Reach(False, frozenset(places), frozenset(guests))
