"""The JSON of the reconciliation desk, of the quality of scans and of messages: the shapes and nothing else.

Instants are ISO 8601 in UTC, days `YYYY-MM-DD`; null when there is none. A text is "" when there is none.
"""

from typing import Literal

from lamelle.doors.web.labmodels import CasePatient, Quality, ScanNode
from lamelle.doors.web.models import Model

# -- the reconciliation desk -----------------------------------------------------------------------------------------

DeskKind = Literal["unmatched", "duplicate", "unexpected", "missing"]
DecisionKind = Literal["match", "ignore", "rescan", "current", "cancel_slide"]


class DeskScan(Model):
    """A scan that waits for a decision; `barcode` was read from its label, `said_container` stands in its DICOM.

    Without `has_label` and `has_overview` there is no such picture, or not for who looks.
    """

    id: int
    study_uid: str
    series_uid: str
    state: str
    barcode: str
    label_text: str
    said_container: str
    scanner: str
    scanned_at: str | None
    arrived_at: str
    quality: Quality
    has_label: bool
    has_overview: bool


class DeskSlide(Model):
    id: int
    identifier: str
    case: int
    accession: str
    patient: CasePatient
    specimen: str
    block: str
    stain: str
    level: str
    state: str
    due_on: str | None
    scans: list[ScanNode]


class Candidate(Model):
    """A slide a scan could be of; `why` are words for what speaks for it, `exact` when its code is the one read."""

    slide: DeskSlide
    why: list[str]
    exact: bool


class DeskItem(Model):
    """One thing to decide: a scan, or for `missing` a slide; `reason` is a code."""

    kind: DeskKind
    reason: str
    scan: DeskScan | None
    slide: DeskSlide | None
    candidates: list[Candidate]


class DeskCounts(Model):
    unmatched: int
    duplicate: int
    unexpected: int
    missing: int


class DeskPage(Model):
    counts: DeskCounts
    items: list[DeskItem]


class DecisionNew(Model):
    kind: DecisionKind
    scan: int | None = None
    slide: int | None = None
    reason: str = ""


class DecisionItem(Model):
    """What somebody decided; `undone_at` when it no longer holds."""

    id: int
    kind: DecisionKind
    scan: int | None
    slide: int | None
    identifier: str
    accession: str
    series_uid: str
    actor: str
    reason: str
    decided_at: str
    undone_at: str | None
    undone_by: str


class ExpectedScanner(Model):
    """What a scanner did on the day."""

    name: str
    scanned: int
    failed: int
    last: str | None


class ExpectedPage(Model):
    """Slides due on a day, whatever became of them, and those `overdue`: due before it and without a scan."""

    day: str
    expected: int
    scanned: int
    overdue: int
    scanners: list[ExpectedScanner]
    items: list[DeskSlide]


# -- quality of scans ------------------------------------------------------------------------------------------------


class Measure(Model):
    name: str
    value: float | None
    unit: str
    warn: float | None
    fail: float | None
    verdict: Quality


class ScanQuality(Model):
    """`reasons` are what speaks against the scan: names of measures, or why it could not be judged.

    `heatmaps` are the kinds there are pictures of; without `measured_at` nothing was measured yet.
    """

    scan: int
    series_uid: str
    verdict: Quality
    reasons: list[str]
    measures: list[Measure]
    heatmaps: list[Literal["focus", "tissue"]]
    stain: str
    scanner: str
    measured_at: str | None
    slide: DeskSlide | None


class Threshold(Model):
    """From where a measure warns and fails, of a stain and a scanner; "" is any.

    `higher` says that more is worse. `default` is what counts where nobody said otherwise.
    """

    stain: str
    scanner: str
    measure: str
    warn: float | None
    fail: float | None
    unit: str
    higher: bool
    default: bool


class Limit(Model):
    """What somebody sets; without `warn` and `fail` what was set before is taken back."""

    stain: str
    scanner: str
    measure: str
    warn: float | None
    fail: float | None


# -- messages --------------------------------------------------------------------------------------------------------


class MessageItem(Model):
    """One HL7 message; `kind` as OML^O21; `error` says what was wrong with it."""

    id: int
    direction: Literal["in", "out"]
    peer: str
    kind: str
    control_id: str
    state: str
    accession: str
    at: str
    attempts: int
    error: str


class MessagePage(Model):
    items: list[MessageItem]
    total: int


class MessageField(Model):
    """`at` as PID-3; a long `value` is cut short."""

    at: str
    name: str
    value: str


class MessageSegment(Model):
    name: str
    fields: list[MessageField]


class Message(MessageItem):
    """`text` has one segment a line; `answer` is what was answered. Once purged it has neither."""

    text: str
    answer: str
    segments: list[MessageSegment]
    case: int | None
    purged_at: str | None


class MessageText(Model):
    text: str


class MessagePeer(Model):
    """A system messages come from or go to."""

    name: str
    direction: Literal["in", "out", "both"]
    dialect: str
    last_in: str | None
    last_out: str | None
    today_in: int
    today_out: int
    waiting: int
    errors: int
    silent: bool


class MessagesState(Model):
    """`error` is tried again, or waits for a person who repairs it; `dead` waits for a person."""

    listening: bool
    port: int | None
    peers: list[MessagePeer]
    error: int
    dead: int
    waiting: int
