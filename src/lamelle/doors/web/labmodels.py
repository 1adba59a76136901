"""The JSON of the laboratory: worklists, cases, flow and fleet: the shapes and nothing else.

Instants are ISO 8601 in UTC, days `YYYY-MM-DD`; null when there is none. A text is "" when there is none.
`deskmodels` has those of the desk.
"""

from typing import Literal

from pydantic import Field

from lamelle.doors.web.models import Model
from lamelle.lab.dossier import What
from lamelle.lab.worklists import View

CaseState = Literal["registered", "ready", "reading", "waiting", "preliminary", "validated", "reopened", "cancelled"]
Urgency = Literal["routine", "urgent", "stat"]
Quality = Literal["", "pass", "warn", "fail"]


# -- worklists -------------------------------------------------------------------------------------------------------


class ViewCount(Model):
    """How many cases a view has, and how many of them changed since they were last opened by who looks.

    Without `exact` there are more.
    """

    key: View
    count: int
    unread: int
    exact: bool


class SavedView(Model):
    """A view somebody keeps; `query` is what `/api/cases` is asked, as in an address: `view=mine&urgency=stat`."""

    id: int
    name: str
    query: str


class SavedViewNew(Model):
    name: str
    query: str


class Worklists(Model):
    """`specialties` and `departments` are those of the cases that are not done, to filter by."""

    views: list[ViewCount]
    saved: list[SavedView]
    specialties: list[str]
    departments: list[str]


class CasePatient(Model):
    """`ins` only when the identity is qualified."""

    id: str
    name: str
    birth_date: str | None
    sex: str
    ins: str


class Someone(Model):
    id: int
    name: str


class SlideFace(Model):
    """The scan a slide is shown by."""

    series_uid: str
    stain: str


class PriorityReason(Model):
    """Part of a priority: which rule, and hours it adds; `field` is `age` for the hours waited."""

    field: str
    value: str
    hours: int


class CaseItem(Model):
    """`priority` is in hours: those waited since `received_at`, and what the rules add; `why` are its parts.

    The clock of a `frozen` case runs since `received_at`. `department` is the one that asks.
    """

    id: int
    accession: str
    patient: CasePatient
    state: CaseState
    urgency: Urgency
    frozen: bool
    department: str
    specialty: str
    description: str
    assigned_to: Someone | None
    priority: int
    why: list[PriorityReason]
    slide_count: int
    waiting_count: int
    techniques_open: int
    unread: bool
    ordered_at: str | None
    received_at: str | None
    ready_at: str | None
    opened_at: str | None
    validated_at: str | None
    updated_at: str
    slides: list[SlideFace]


class CasePage(Model):
    """`total` counts what is known to be found; without `exact` there are more."""

    items: list[CaseItem]
    total: int
    exact: bool


class AssignmentNew(Model):
    """To whom; null: nobody."""

    actor: int | None


class Proposal(Model):
    """Who could take a case: those of its specialty first, then who has least to do."""

    id: int
    name: str
    specialties: list[str]
    load: int
    fits: bool


class PriorityRuleNew(Model):
    """Cases whose `field` is `value` come as if they had waited `hours` longer; of `frozen` the value is yes."""

    field: Literal["urgency", "frozen", "specialty", "department", "requester", "adicap"]
    value: str
    hours: int


class PlaceRules(Model):
    """The rules by which a place goes: its own when `source` is the place itself, else those of a place it is in.

    Without `source` they are the usual ones. `editable` by who looks.
    """

    place: int
    source: int | None
    rules: list[PriorityRuleNew]
    editable: bool


class PriorityRules(Model):
    """All rules of one place; they replace those it has. Without any, those of the place it is in hold."""

    place: int
    rules: list[PriorityRuleNew]


class Specialties(Model):
    """What somebody reads, and their open cases; `id` is theirs; `editable` by who looks."""

    id: int
    login: str
    name: str
    specialties: list[str]
    load: int
    editable: bool


class SpecialtiesNew(Model):
    """What somebody reads from now on; nothing: everything."""

    id: int
    specialties: list[str]


# -- one case --------------------------------------------------------------------------------------------------------


class ScanNode(Model):
    id: int
    series_uid: str
    study_uid: str
    current: bool
    quality: Quality
    scanner: str
    scanned_at: str | None


class SlideNode(Model):
    id: int
    identifier: str
    stain: str
    level: str
    state: str
    due_on: str | None
    location: str
    scans: list[ScanNode]


class BlockNode(Model):
    id: int
    identifier: str
    state: str
    description: str
    location: str
    destroy_on: str | None
    slides: list[SlideNode]


class SpecimenNode(Model):
    """`slides` are those of no block."""

    id: int
    identifier: str
    part: str
    type: str
    site: str
    description: str
    collected_at: str | None
    received_at: str | None
    blocks: list[BlockNode]
    slides: list[SlideNode]


class TechniqueItem(Model):
    id: int
    identifier: str
    filler: str
    code: str
    text: str
    comment: str
    block: int | None
    slide: int | None
    state: Literal["requested", "accepted", "refused", "done", "cancelled"]
    reason: str
    requester: str
    requested_at: str
    updated_at: str


class TechniqueNew(Model):
    code: str
    text: str
    block: int | None = None
    slide: int | None = None
    comment: str = ""


class ReportItem(Model):
    """One version; what is `final` never changes. `source` is lamelle or the laboratory information system's name."""

    version: int
    state: Literal["draft", "preliminary", "final", "cancelled"]
    source: str
    code: str
    text: str
    author: str
    written_at: str
    validator: str
    validated_at: str | None


class ReportText(Model):
    """`version` is the one it was written over, 0 for none: somebody else's meanwhile is a conflict, stale_report."""

    text: str
    version: int


class ReportState(Model):
    state: Literal["preliminary", "final"]


class ReportVersion(Model):
    version: int


class AttachmentItem(Model):
    id: int
    kind: str
    title: str
    media_type: str
    study_uid: str
    series_uid: str
    sop_uid: str
    added_by: str
    added_at: str


class PriorCase(Model):
    """Another case of the same patient."""

    id: int
    accession: str
    description: str
    date: str | None
    state: CaseState


class May(Model):
    """What who looks may do with the case."""

    report: bool
    signs: bool = Field(alias="validate")
    schedule: bool


class HistoryItem(Model):
    """What happened to the case; `who` is "" when the laboratory's own system did it."""

    at: str
    who: str
    what: What
    text: str


class Case(CaseItem):
    """`loose` are the slides of no specimen."""

    specimens: list[SpecimenNode]
    loose: list[SlideNode]
    techniques: list[TechniqueItem]
    reports: list[ReportItem]
    attachments: list[AttachmentItem]
    prior: list[PriorCase]
    may: May
    study_uid: str
    requester: str
    adicap: str
    place: int
    history: list[HistoryItem]


class MergeItem(Model):
    """A merge: what was of the patient `gone` is the patient `kept`'s, until it is undone.

    `source` said so, a system or a person. A patient without an id is out of reach. `cases` are those of `gone`.
    """

    id: int
    gone: CasePatient
    kept: CasePatient
    source: str
    cases: int
    said_at: str | None
    merged_at: str
    undone_at: str | None
    undone_by: str
    undoable: bool


class Made(Model):
    """The number of what was made."""

    id: int


# -- flow and fleet --------------------------------------------------------------------------------------------------


class FlowTime(Model):
    """One step, from the first to the second of its names: how long it took for `n` cases; null when there are none."""

    step: Literal["ordered_scanned", "scanned_opened", "opened_validated", "ordered_validated"]
    median_s: float | None
    p90_s: float | None
    n: int


class DepartmentFlow(Model):
    department: str
    times: list[FlowTime]


class ScanHour(Model):
    """Scans of a scanner in the hour that begins at `hour`."""

    hour: str
    scanner: str
    count: int


class ScannerFlow(Model):
    """`failures` and `rescans` are of the days looked at: scans no good, and slides asked to be scanned again."""

    id: int
    name: str
    station: str
    today: int
    scans: int
    failures: int
    rescans: int
    last: str | None


class FlowQueue(Model):
    """What waits now: slides for their scan, scans for a decision, cases to be opened, reports to be signed."""

    to_scan: int
    overdue: int
    on_desk: int
    unread_cases: int
    to_sign: int


class Flow(Model):
    days: int
    times: list[FlowTime]
    departments: list[DepartmentFlow]
    scans: list[ScanHour]
    scanners: list[ScannerFlow]
    queue: FlowQueue


class ScannerItem(Model):
    id: int
    name: str
    place: int
    station: str
    serial: str
    manufacturer: str
    model: str
    installed_on: str | None
    seen_at: str | None


class ScannerChange(Model):
    """What is null stays as it is."""

    name: str | None = None
    place: int | None = None
    installed_on: str | None = None
