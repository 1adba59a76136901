"""The nouns of access: who asks, for which purpose, to do what, and how far that reaches.

What a role may do is the table of `decide`; nothing here reads the database.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal

FIRST_PLACE = 1
"""The establishment every installation has; what nobody says otherwise of belongs to it."""


class Role(StrEnum):
    """What somebody is in a place, as hospitals name it."""

    PATHOLOGIST = "pathologist"
    RESIDENT = "resident"
    RADIOLOGIST = "radiologist"
    TECHNICIAN = "technician"
    SECRETARY = "secretary"
    MANAGER = "manager"
    RESEARCHER = "researcher"
    TEACHER = "teacher"
    STUDENT = "student"
    ARCHIVIST = "archivist"
    ADMINISTRATOR = "administrator"
    PROTECTION_OFFICER = "protection_officer"
    EXPERT = "expert"
    """A professional of another place who is asked for an opinion."""
    DEVICE = "device"
    """A scanner, a modality, another archive, a program."""


class Purpose(StrEnum):
    """Why data of a patient is used; the same data is open for one purpose and closed for another."""

    CARE = "care"
    OPINION = "opinion"
    RESEARCH = "research"
    TEACHING = "teaching"
    OPERATIONS = "operations"


class Action(StrEnum):
    """What is done."""

    READ = "read"
    """Read what the laboratory knows of a case without its images: patient, order, specimens, report."""
    VIEW = "view"
    """Find it, read its metadata, see its pixels."""
    VIEW_LABEL = "view_label"
    """See the label of a slide, which names the patient."""
    EXPORT = "export"
    """Take whole DICOM instances away."""
    STORE = "store"
    DELETE = "delete"
    SHARE = "share"
    """Let somebody else see it: the care team, for an opinion, a project, a lesson."""
    BREAK_GLASS = "break_glass"
    """See it in an emergency without being of the care team."""
    SCHEDULE = "schedule"
    """Move the laboratory's work on: orders, worklists, expected slides, the reconciliation desk, rescans."""
    REPORT = "report"
    """Take a case, write its report, ask for techniques."""
    VALIDATE = "validate"
    """Sign a report: it never changes after that."""
    OPERATE = "operate"
    """See how the installation does: imports, jobs, what was put aside."""
    ADMINISTER = "administer"
    """Change people, roles and places."""
    AUDIT = "audit"
    """Read who did what."""


ABOUT_THE_HOUSE = frozenset({Action.OPERATE, Action.ADMINISTER, Action.AUDIT})
"""Actions that are always done for operations, whatever purpose the images of a session are looked at for."""


class Within(IntEnum):
    """How far from the place of a membership an action reaches; each includes those before."""

    NOWHERE = 0
    SHARED = 1
    """Only studies shared with the person, or with the place, for the purpose."""
    DEPARTMENT = 2
    """The place of the membership and those below it."""
    ESTABLISHMENT = 3
    """The whole establishment the place belongs to."""
    EVERYWHERE = 4


@dataclass(frozen=True, slots=True)
class Membership:
    """A role in a place, with the places that this means."""

    role: Role
    department: frozenset[int] = frozenset()
    """The place and all below it; empty when `everywhere`."""
    establishment: frozenset[int] = frozenset()
    """All places of its establishment."""
    everywhere: bool = False
    """The role is held in every place, those made later included."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Whom a study is shared with, and what for."""

    kind: Literal["actor", "place"]
    id: int
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Resource:
    """What of a study a decision needs: its place, and whom it is shared with at this moment."""

    place: int = FIRST_PLACE
    guests: frozenset[Guest] = frozenset()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks; `system` is the installation itself and may do everything."""

    id: int
    login: str
    name: str = ""
    kind: Literal["person", "service", "peer", "system"] = "person"
    memberships: tuple[Membership, ...] = ()
    actions: frozenset[Action] | None = None
    """What a token's scope or a peer's rights leave of what the roles allow; None: all of it."""
    scope: str | None = None
    """The words of the token's scope, for the door that tells kinds of resources apart; None: it came without one."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything an actor may do one thing with, as a filter of searches needs it."""

    everything: bool = False
    places: frozenset[int] = frozenset()
    guests: frozenset[Guest] = frozenset()
    """Studies shared with one of these are within reach too."""
    labels: bool = True
    """Whether labels of slides are seen; without it their images are hidden as if they did not exist."""

    def holds(self, resource: Resource) -> bool:
        """Whether the resource is within reach."""
        return self.everything or resource.place in self.places or not self.guests.isdisjoint(resource.guests)

    def covers(self, other: "Reach") -> bool:
        """Whether nothing is within the other reach alone, whatever is shared."""
        if self.everything or not other:
            return True
        return not other.everything and other.places <= self.places and other.guests <= self.guests

    def __bool__(self) -> bool:
        return bool(self.everything or self.places or self.guests)


WHOLE = Reach(everything=True)
"""For what the installation does by itself: jobs, commands, maintenance."""
NOTHING = Reach(labels=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """An actor at a door: what for, from where, and by which session or token (its number, never its secret)."""

    actor: Actor
    purpose: Purpose
    address: str = ""
    session: str = ""
