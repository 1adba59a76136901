"""One sender of C-STORE: `python -m bench.cstore WORK PORT AET slide SIDE NUMBER | ct TAG START COUNT`.

Opens its association, says `ready`, waits for a line, sends everything from memory or page cache and says how many
were answered with success. It reads nothing and encodes nothing: the receiver is what is measured.
"""

import mmap
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import material
from lamelle.doors.dimse.settings import DimseSettings
from lamelle.testing import dimse
from lamelle.testing.dimse import Sent

HEAD = 4096


def main() -> None:
    """Reads the command line."""
    work, port, aet, kind, *numbers = sys.argv[1:]
    items = list(KINDS[kind](Path(work), *map(int, numbers)))
    settings = DimseSettings(aet="BENCH", network_timeout_s=300, idle_timeout_s=300)
    with dimse.opened(int(port), [item for item, _ in items], settings=settings, called=aet) as association:
        print("ready", flush=True)
        sys.stdin.readline()
        good = sum(dimse.store(association, item, data).status == 0 for item, data in items)
    print(good, flush=True)


def slide(work: Path, side: int, number: int) -> Iterator[tuple[Sent, list[memoryview]]]:
    """One level of a slide, from page cache."""
    with material.slide(work, side, number).path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    sum(view[::4096])  # into page cache
    yield _named(view[:HEAD].tobytes(), view)


def cts(work: Path, tag: int, start: int, count: int) -> Iterator[tuple[Sent, list[memoryview]]]:
    """Images of one study; their pixels are shared."""
    templates = material.ct_parts(work, HEAD)
    for number in range(start, start + count):
        head, rest = templates[number % len(templates)]
        item, data = _named(material.ct_named(head, tag, number), memoryview(b""))
        yield item, [*data, rest]


def _named(head: bytes, view: memoryview) -> tuple[Sent, list[memoryview]]:
    start = dimse.start(head)
    found = dimse.said(head[:start])
    body = [view[start:]] if len(view) else [memoryview(head)[start:]]
    return found, body


KINDS = {"slide": slide, "ct": cts}

if __name__ == "__main__":
    main()
