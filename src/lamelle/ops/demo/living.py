"""The day of the demonstration's laboratory, in a process of its own: a LIS that orders, a scanner that scans.

Started by run once the node listens; ends with the node. Each step is done once in the life of a demonstration, so that
a second run goes on where the first one stopped.
"""

import argparse
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lamelle.ops.demo import generate
from lamelle.ops.demo.cases import NODE, PATIENTS, SLIDES, Case, Patient, Slide
from lamelle.ops.demo.laboratory import LIS
from lamelle.ops.demo.lis import Glass, Listener, Wanted, Writer, barcode, send
from lamelle.ops.demo.stainings import STAININGS

SIDE: Final = (2048, 1536)
"""Pixels of a slide that is scanned while somebody watches: drawn in half a second."""
ORDERED = Case("26H01301", PATIENTS[8], 0, "Biopsies coliques")
FROZEN = Case("26E00031", PATIENTS[9], 0, "Extemporané : ganglion sentinelle")
LATE = Case("26H01302", PATIENTS[10], 0, "Exérèse cutanée")
URGENT = Case("26H01303", PATIENTS[11], 0, "Biopsie rénale, rejet ?")
TWICE = Patient(108, "SIMULEE", "Elodie", "F", PATIENTS[8].born)
"""The same person as PATIENTS[8], whom somebody wrote down a second time."""
OTHER = Case("26H01304", TWICE, 0, "Biopsie mammaire")

Step = Callable[["Day"], None]


@dataclass(slots=True)
class Day:
    """What the steps work with."""

    node: tuple[str, int]
    folder: Path
    """The scanner's, which the node watches."""
    drafts: Path
    """Where slides are drawn before they are put there."""
    writer: Writer
    say: Callable[[str], None]

    def send(self, message: str) -> None:
        answer = send(self.node, message)
        kind, result = message.split("|")[8].partition("^")[::2], re.search(r"\rMSA\|(\w+)", answer)
        self.say(f"SIL: {kind[0]}^{kind[1][:3]} -> {result[1] if result else '?'}")

    def order(self, wanted: Wanted) -> None:
        self.send(self.writer.order(wanted))

    def scan(self, wanted: Wanted) -> None:
        """Draw each slide of an order and put it into the scanner's folder."""
        _, _, organ, seed = TISSUE[wanted.case.accession]
        for glass in wanted.slides:
            self.put(wanted.case, glass, organ, seed)

    def put(self, case: Case, glass: Glass, organ: str, seed: int) -> None:
        slide = Slide(case, glass.block, organ, glass.stain, glass.printed, *SIDE, 0.5, seed)
        draft = self.drafts / slide.name
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        generate.make_slide(slide, draft)
        for file in draft.iterdir():
            shutil.move(file, self.folder / f".{file.name}")  # hidden while it is written
            (self.folder / f".{file.name}").rename(self.folder / file.name)
        self.say(f"scanner: {barcode(case, glass)}")


def _wanted(
    case: Case, department: str, site: str, *slides: Glass, priority: str = "R", frozen: bool = False
) -> Wanted:
    return Wanted(case, slides, department, site, priority, frozen)


HE, HES = Glass("A1", "HE", "HE"), Glass("A1", "HES", "HES")
FIRST = Wanted(ORDERED, (HES,), "GASTRO", "côlon")
SECOND = Wanted(FROZEN, (HE,), "BLOC", "aisselle", "S", frozen=True)
THIRD = Wanted(LATE, (HES,), "DERMATO", "épaule")
SPECIAL = (Glass("A1", "PAS", "PAS"), Glass("A1", "TRICHROME", "Trichrome"))
FOURTH = Wanted(URGENT, SPECIAL, "NEPHRO", "greffon", "A")
FIFTH = Wanted(OTHER, (HE,), "GYN", "sein droit")
TISSUE: Final = {
    **{one.case.accession: (one.case, one.block, one.organ, one.seed) for one in SLIDES},
    **{
        case.accession: (case, "A1", organ, seed)
        for case, organ, seed in (
            (ORDERED, "colon", 103),
            (FROZEN, "node", 121),
            (LATE, "skin", 108),
            (URGENT, "kidney", 134),
        )
    },
}
"""What the laboratory has of a case: its block, the organ and how it is drawn."""
SIGNED = "Hyperplasie lymphoïde réactionnelle.\nPas de tumeur."

DAY: Final[Sequence[tuple[float, str, Step]]] = (
    (2, "order", lambda day: day.order(FIRST)),
    (2, "scan", lambda day: day.scan(FIRST)),
    (12, "frozen scan", lambda day: day.scan(SECOND)),  # scanned while the order is on its way
    (1, "frozen order", lambda day: day.order(SECOND)),
    (20, "scan before its order", lambda day: day.scan(THIRD)),
    (25, "late order", lambda day: day.order(THIRD)),
    (15, "urgent order", lambda day: day.order(FOURTH)),
    (10, "urgent scans", lambda day: day.scan(FOURTH)),
    (20, "same person twice", lambda day: day.order(FIFTH)),
    (15, "merge", lambda day: day.send(day.writer.merge(PATIENTS[8], TWICE))),
    (
        20,
        "report",
        lambda day: day.send(day.writer.report(NODE, SIGNED)),
    ),
)
"""Seconds after the step before, its name, and what happens."""


def live(day: Day, done: Path, stop: threading.Event, pace: float = 1.0) -> None:
    """Do what was not done yet, one step after another; one that fails is tried again."""
    names = set(done.read_text().splitlines()) if done.exists() else set()
    for pause_s, name, step in DAY:
        if name in names:
            continue
        while not stop.wait(pause_s * pace):
            try:
                step(day)
            except ConnectionRefusedError:  # the node is not there yet
                continue
            except OSError as error:
                day.say(f"{name}: {error}")
                continue
            with done.open("a") as file:
                file.write(name + "\n")
            break


def answered(day: Day, message: str) -> None:
    """A technique that Lamelle asks for is made, if it is a stain we can draw: its slide is ordered, scanned, told."""
    asked = re.search(r"\rORC\|NW\|(T[0-9]+)\^LAMELLE\|\|([^^|]+)", message)
    stain = re.search(r"\rOBR\|[^|]*\|[^|]*\|[^|]*\|([^^|]*)\^?([^^|]*)", message)
    if asked is None or stain is None or "DPOW-PLACE-WO" not in message or asked[2] not in TISSUE:
        return
    case, block, organ, seed = TISSUE[asked[2]]
    code = re.sub(r"[^A-Z0-9]", "", stain[1].upper())
    if code in STAININGS:
        glass = Glass(block, code, stain[2] or stain[1])
        day.order(Wanted(case, (glass,), "", "", ""))  # of the case it says nothing new
        day.send(day.writer.made(asked[1], case, glass))
        day.put(case, glass, organ, seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until the standard input ends, as it does with the process that started this one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hl7", type=int, required=True, help="port of the node")
    parser.add_argument("--lis", type=int, required=True, help="port to listen on for what the node tells")
    parser.add_argument("--folder", type=Path, required=True, help="the scanner's folder")
    parser.add_argument("--done", type=Path, required=True, help="file of the steps that were done")
    parser.add_argument("--pace", type=float, default=1.0, help="stretches every pause")
    given = parser.parse_args(arguments)
    drafts = given.done.with_suffix(".drafts")
    day = Day(("127.0.0.1", given.hl7), given.folder, drafts, Writer(lambda: datetime.now(UTC)), _say)
    stop = threading.Event()

    def heard(message: str) -> None:
        _say(f"{LIS} <- {message.split('|')[8]}")
        threading.Thread(target=answered, args=(day, message), daemon=True).start()

    with Listener(given.lis, day.writer, heard):
        threading.Thread(target=live, args=(day, given.done, stop, given.pace), daemon=True).start()
        sys.stdin.read()
        os._exit(0)  # a slide that is being drawn is not waited for


def _say(line: str) -> None:
    print(f"  {datetime.now(UTC).astimezone():%H:%M:%S}  {line}", flush=True)


if __name__ == "__main__":
    main()
