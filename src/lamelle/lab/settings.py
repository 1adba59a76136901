"""What the laboratory room can be told, with units and reasons; ops/config fills it."""

import re
from dataclasses import dataclass
from typing import Literal

from lamelle.base.errors import Invalid


@dataclass(frozen=True, slots=True)
class CodeRule:
    """How a site marks its slides, and whom it believes."""

    place: int = 0
    """Number of the place it is for, with those below it; 0: all that have no rule of their own."""
    trust: tuple[Literal["label", "container"], ...] = ("label", "container")
    """Where the code is taken from, the most trusted first: read from the label, or what the DICOM says; one left out
    is not listened to. Where they name different slides, or only a less trusted one names any, a person decides."""
    strict: bool = False
    """A less trusted code that names no slide sends the scan to the desk too."""
    pattern: str = ""
    """Regular expression of a whole code; its group 1, if it has one, is the slide's identifier. Codes that do not
    match are not seen: stainers print their own."""
    prefixes: tuple[str, ...] = ()
    """Beginnings that are no part of the identifier: the first that fits is taken off, before the pattern is asked."""
    rescans: Literal["ask", "newest"] = "ask"
    """A second scan that nobody asked for: `ask` leaves it to a person, `newest` shows the one scanned last."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise Invalid("bad_setting", f"lab.codes: {self.pattern!r:.60} is no regular expression") from error
        if not self.trust or len(set(self.trust)) != len(self.trust):
            raise Invalid("bad_setting", "lab.codes: trust names label, container or both, each once")

    def code(self, text: str) -> str:
        """The identifier in a code, "" when it is none of the site's."""
        text = text.strip()
        text = text.removeprefix(next((start for start in self.prefixes if text.startswith(start)), ""))
        found = re.fullmatch(self.pattern, text, re.DOTALL) if self.pattern else None
        if not self.pattern:
            return text
        return "" if found is None else found[min(1, len(found.groups()))] or ""


@dataclass(frozen=True, slots=True)
class LabSettings:
    """Settings of the laboratory room."""

    keep_days: int = 30
    """Days that a worklist item stays after its scheduled start, done or not; 0 keeps it for ever."""
    worklist_limit: int = 1000
    """Items one worklist query may answer; a scanner that asks for more is told that it was refused."""
    settle_s: float = 30.0
    """Seconds without a new instance after which a study is at rest and its availability is told to peers."""
    notify_days: float = 3.0
    """Days during which a peer that does not answer is tried again to be told of a study."""

    scan_settle_s: float = 5.0
    """Seconds without a new instance after which a series is a whole scan, and its label is read."""
    codes: tuple[CodeRule, ...] = ()
    """How sites mark their slides; empty: what the label or the DICOM says is the slide's identifier."""
    stations: tuple[str, ...] = ("SCANNERS",)
    """AE titles that slides to be scanned are scheduled for on the modality worklist; empty: none are put there."""
    test_ins: bool = False
    """Accept INS of the test and demonstration OIDs; never where real patients are."""

    rescan: Literal["person", "automatic"] = "person"
    """Who asks for a new scan when quality control fails one: a person at the desk, or nobody has to."""
    assign: Literal["person", "automatic"] = "person"
    """Who gives a case that is ready to somebody: a person, or its specialty and how much each reader has to do."""

    def __post_init__(self) -> None:
        if self.worklist_limit < 1 or min(self.keep_days, self.settle_s, self.notify_days, self.scan_settle_s) < 0:
            raise Invalid("bad_setting", "lab: no number may be negative, and worklist_limit is at least 1")
