"""Pages hear of what changes within their reach, all in one process by one question, and no longer than they may."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import NOTHING, WHOLE, Reach
from lamelle.base.db import Database
from lamelle.doors.web import live
from lamelle.doors.web.live import Live
from lamelle.lab.records import case, scan
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing.archives import SetClock
from lamelle.testing.casework import glass, placed

HERE = Reach(places=frozenset({1}))


class Ticking(SetClock):
    """A clock that moves a little whenever it is asked."""

    def now(self) -> Any:
        self.move(0.01)
        return super().now()


@pytest.fixture
def lab(catalogue_url: str) -> Any:
    db = Database(catalogue_url)
    db.migrate()
    yield Lab(db, Ticking(), LabSettings())
    db.close()


async def after(lines: AsyncIterator[bytes], count: int = 1) -> list[tuple[str, Any]]:
    """The next events, heartbeats left out."""
    found: list[tuple[str, Any]] = []
    while len(found) < count:
        text = (await asyncio.wait_for(anext(lines), 10)).decode()
        for block in filter(None, text.split("\n\n")):
            if block.startswith("event: "):
                name, _, data = block.removeprefix("event: ").partition("\ndata: ")
                found.append((name, json.loads(data)))
    return found


async def settled(asked: Live) -> None:
    """Until what was there before is known."""
    while asked.looks < 1:  # noqa: ASYNC110  nothing tells it
        await asyncio.sleep(0.005)


def touched(lab: Lab, number: int) -> None:
    with lab.db.write() as conn:
        conn.execute(sa.update(case).where(case.c.id == number).values(updated_at=lab.clock.now()))


def test_each_hears_of_what_is_within_reach(lab: Lab) -> None:
    here, there = placed(lab, "A1"), placed(lab, "A2", place=2)

    async def listen() -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
        asked = Live(lab, 0.01)
        near, far = (live.stream(asked, reach, lambda: WHOLE, 60) for reach in (HERE, WHOLE))
        await anext(near), await anext(far)
        await settled(asked)
        touched(lab, there)
        first = await after(far)
        touched(lab, here)
        found = await after(near), [*first, *await after(far)]
        for lines in (near, far):
            await lines.aclose()
        return found

    near, far = asyncio.run(listen())
    assert near == [("cases", {"ids": [here]})]
    assert far == [("cases", {"ids": [there]}), ("cases", {"ids": [here]})]


def test_scans_are_news_of_the_desk(lab: Lab) -> None:
    glass(lab, placed(lab, "A1"), "A1-1", "1.2.3")

    async def listen() -> list[tuple[str, Any]]:
        asked = Live(lab, 0.01)
        lines = live.stream(asked, HERE, lambda: WHOLE, 60)
        await anext(lines)
        await settled(asked)
        with lab.db.write() as conn:
            conn.execute(sa.update(scan).values(updated_at=lab.clock.now()))
        found = await after(lines)
        await lines.aclose()
        return found

    assert asyncio.run(listen()) == [("desk", {})]


def test_a_stream_ends_when_it_may_no_longer(lab: Lab) -> None:
    left = iter([WHOLE, NOTHING])

    async def listen() -> list[bytes]:
        return [line async for line in live.stream(Live(lab, 0.01), WHOLE, lambda: next(left), 0.02)]

    assert asyncio.run(listen()) == [b"retry: 5000\n\n", b": still here\n\n"]


def test_nobody_listens_nothing_is_asked(lab: Lab) -> None:
    async def listen() -> None:
        asked = Live(lab, 0.01)
        for _ in range(2):
            lines = live.stream(asked, HERE, lambda: WHOLE, 60)
            await anext(lines)
            await settled(asked)
            await lines.aclose()
            await asyncio.wait_for(asked.ended(), 10)

    asyncio.run(listen())
