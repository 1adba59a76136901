"""What access control and the ledger cost a tile on the short way: the same requests with both and without either."""

import random
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench import material, servers, tiles
from bench.lines import Line, watched
from bench.material import SlideFile
from bench.plan import Facts, Plan, costs
from bench.servers import Server
from bench.web import Client
from lamelle.access.model import Role
from lamelle.testing.node import Node

SIDES = ("ours", "both off")
Turns = dict[str, list[tuple[float, Facts]]]
STARTS = 8  # each with as many pairs of turns as the plan has runs
TURN_S = 2.0  # what is remembered of callers and slides while the other node had its turn is read anew, once


def access(plan: Plan) -> None:
    """Two nodes that differ in nothing but these settings take turns of a second or two, so that both meet the same
    machine, and are started anew several times, for one start is luckier than another; the cost is the median over
    neighbouring turns."""
    slide = material.slide(plan.work, plan.side, 1)
    folders = {name: plan.work / f"run/access{plan.side}-{name.replace(' ', '')}" for name in SIDES}
    for folder in folders.values():
        _fill(folder, slide)
    token = Node(folders["ours"] / "data").token(f"bench{time.time_ns()}", Role.PATHOLOGIST)
    got = {
        (what, requests, clients): {name: [] for name in SIDES}
        for what, requests in (("frames", _frames(plan, slide)), ("tiles of the viewer", _tiles(plan, slide)))
        for clients in plan.clients[:2]
    }
    for start in range(STARTS):
        with ExitStack() as running:
            nodes = {
                name: running.enter_context(servers.ours(folder, fresh=False, guarded=name == "ours"))
                for name, folder in folders.items()
            }
            status, _ = Client(nodes["ours"].root).get(f"{slide.frames_path}/1", tiles.JPEG)
            assert status == 401, "whoever has not signed in gets tiles"
            for (_, requests, clients), turns in got.items():
                _take_turns(plan, nodes, requests, clients, token, start, turns)
    for (what, _, clients), turns in got.items():
        _say(plan, f"{what} with access control and audit, {clients} clients", turns)


def _fill(folder: Path, slide: SlideFile) -> None:
    if not (folder / "complete").exists():
        with servers.ours(folder) as server:
            assert Client(server.root).store([slide.path]) == 200
        (folder / "complete").touch()


def _frames(plan: Plan, slide: SlideFile) -> Path:
    return _written(plan, "frames", lambda rng: f"/dicomweb{slide.frames_path}/{rng.randrange(len(slide.offsets)) + 1}")


def _tiles(plan: Plan, slide: SlideFile) -> Path:
    base = f"/api/slides/{slide.frames_path.split('/')[4]}/levels/0/tiles"
    return _written(plan, "tiles", lambda rng: f"{base}/{rng.randrange(plan.side)}/{rng.randrange(plan.side)}")


def _written(plan: Plan, name: str, path: Callable[[random.Random], str]) -> Path:
    rng, file = random.Random(1), plan.work / f"access-{name}.txt"
    file.write_text("".join(f"{path(rng)}\t{tiles.JPEG}\t\n" for _ in range(20_000)))
    return file


def _take_turns(
    plan: Plan, nodes: dict[str, Server], requests: Path, clients: int, token: str, start: int, got: Turns
) -> None:
    """In the order on, off, off, on ...: what drifts meets both alike."""
    for node in nodes.values():
        _turn(node, requests, clients, 2.0, 0, token)  # opens the slide and enters the view
    for number in range(plan.runs):
        for name in SIDES if (start + number) % 2 else reversed(SIDES):
            seconds = max(TURN_S, plan.seconds / 4)
            got[name].append(_turn(nodes[name], requests, clients, seconds, number, token))


def _say(plan: Plan, what: str, got: Turns) -> None:
    shares = [on[0] / off[0] for on, off in zip(got["ours"], got["both off"], strict=True)]
    facts: Facts = {name: _middle(turns) for name, turns in got.items()}
    cost = {"cost_percent": round(100 * (1 - statistics.median(shares)), 1), "pairs": len(shares)}
    values = {name: statistics.median(rate for rate, _ in turns) for name, turns in got.items()}
    plan.book.add(Line(what, "tiles/s", "more", values, {**facts, **cost}))


def _turn(node: Server, requests: Path, clients: int, seconds: float, seed: int, token: str) -> tuple[float, Facts]:
    origin = "/".join(node.root.split("/")[:3])
    with watched(node.pid) as spent:
        got = tiles.wrk(origin, requests, clients, seconds, seed, f"Bearer {token}")
    assert not got["bad"] and not got["broken"], got
    cpu_us = round(spent.cpu_s * 1e6 / got["requests"], 1)
    return got["requests"] / (got["us"] / 1e6), {"p50_ms": got["p50_ms"], "cpu_us": cpu_us, **costs(spent)}


def _middle(turns: list[tuple[float, Facts]]) -> Facts:
    return {key: statistics.median(facts[key] for _, facts in turns) for key in ("p50_ms", "cpu_us", "foreign")}
