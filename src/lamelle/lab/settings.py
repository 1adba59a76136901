"""What the laboratory room can be told, with units and reasons; ops/config fills it."""

from dataclasses import dataclass

from lamelle.base.errors import Invalid


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

    test_ins: bool = False
    """Accept INS of the test and demonstration OIDs; never where real patients are."""

    def __post_init__(self) -> None:
        if self.keep_days < 0 or self.worklist_limit < 1 or self.settle_s < 0 or self.notify_days < 0:
            raise Invalid("bad_setting", "lab: no number may be negative, and worklist_limit is at least 1")
