"""What can be measured, by name; each function runs the same work on every side and adds its lines to the book.

Sides take turns in one run, so that a ratio never joins two machines or two days.
"""

from collections.abc import Callable

from bench import access, converting, fetching, looking, material, receiving, scanned, searching, storing, tiles, wado
from bench.plan import Plan

MEASURES: dict[str, Callable[[Plan], None]] = {
    "frames": tiles.frames,
    "access": access.access,
    "wado": wado.wado,
    "stow": storing.stow,
    "cstore": receiving.cstore,
    "fetch": fetching.fetch,
    "qido": searching.qido,
    "metadata": storing.metadata,
    "convert": converting.convert,
    "rendered": tiles.rendered,
    "view": looking.view,
}


def prepare(plan: Plan) -> None:
    """Makes what is sent and fills what is asked, once: about half an hour the first time, seconds afterwards."""
    for number in (1, 2, 3, 4):
        material.slide(plan.work, plan.side, number)
        material.slide(plan.work, plan.big, number)
    material.sparse_slide(plan.work, plan.frames)
    list(material.ct_images(plan.work, 500000, 1))
    scanned.svs_of(plan.work, plan.scan_mb)
    scanned.ndpi_of(plan.work, plan.scan_mb)
    tiles.stored(plan)
    looking.prepare(plan)
    searching.prepare(plan)
