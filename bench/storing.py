"""STOW-RS of slides and CTs, and metadata of a slide with one functional group item a frame."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import material
from bench.lines import Line, watched
from bench.plan import Facts, Plan, costs, repeated, sides
from bench.servers import Server
from bench.web import Client

BATCH = 10  # CT instances a request
Sides = dict[str, tuple[float, Facts]]


def stow(plan: Plan) -> None:
    """One slide, another each time; then CT instances from one and from four clients, another study each time."""
    slides = [material.slide(plan.work, plan.side, number + 1).path for number in range(4)]
    whole: Sides = {}
    images: dict[int, Sides] = {1: {}, 4: {}}
    for name, start in sides(plan, "stow"):
        with start() as server:

            def slide(number: int, server: Server = server) -> tuple[float, Facts]:
                path = slides[number % len(slides)]
                with watched(server.pid) as spent:
                    assert Client(server.root).store([path]) == 200
                return path.stat().st_size / 1e6 / spent.seconds, costs(spent)

            def study(clients: int, number: int, server: Server = server) -> tuple[float, Facts]:
                tag = 500000 + 10 * number + clients
                sent = list(material.ct_images(plan.work, tag, plan.ct))
                batches = [sent[at : at + BATCH] for at in range(0, len(sent), BATCH)]
                with watched(server.pid) as spent:
                    statuses = _parallel(batches, clients, server.root)
                held = Client(server.root).json(f"/studies/{material.ROOT}.{tag:06d}.3/instances?limit={2 * plan.ct}")
                bad = sum(status != 200 for status in statuses) + (len(held) != plan.ct)
                return plan.ct / spent.seconds, {"bad": bad, **costs(spent)}

            whole[name] = repeated(min(plan.runs, len(slides)), slide, extra=0)
            study(4, 900)  # warm-up
            for clients, found in images.items():
                found[name] = repeated(plan.runs, partial(study, clients))
    _say(plan, f"STOW of a slide of {slides[0].stat().st_size / 1e6:.0f} MB", "MB/s", "more", whole)
    for clients, found in images.items():
        _say(plan, f"STOW of CTs of 0.5 MB, ten a request, {clients} clients", "instances/s", "more", found)


def _parallel(batches: Sequence[Sequence[bytes]], clients: int, root: str) -> list[int]:
    statuses: list[int] = []

    def work(mine: Sequence[Sequence[bytes]]) -> None:
        client = Client(root)
        statuses.extend(client.store(batch) for batch in mine)

    threads = [threading.Thread(target=work, args=(batches[k::clients],)) for k in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == len(batches), "a client failed"
    return statuses


def _say(plan: Plan, what: str, unit: str, better: str, found: Sides) -> None:
    values = {name: figure for name, (figure, facts) in found.items() if not facts.get("bad")}
    plan.book.add(Line(what, unit, better, values, {name: facts for name, (_, facts) in found.items()}))


# -- metadata --------------------------------------------------------------------------------------------------------


def metadata(plan: Plan) -> None:
    """Metadata of slides with one functional group item a frame: storing, first and later answers; pydicom's alone."""
    path = material.sparse_slide(plan.work, plan.frames)
    files = [material.retold(path, 300001, 300002 + number) for number in range(plan.runs)]
    stored, first, later = {}, {}, {}
    for name, start in sides(plan, "metadata"):
        with start() as server:
            took: list[tuple[float, list[float]]] = []
            with watched(server.pid) as spent:
                for number, data in enumerate(files):
                    took.append(_one(server, data, 300002 + number))
        facts = {**costs(spent), "runs": len(took)}
        stored[name] = statistics.median(store for store, _ in took), facts
        first[name] = statistics.median(times[0] for _, times in took), facts
        later[name] = statistics.median(time for _, times in took for time in times[1:]), facts
    label = f"slide of {plan.frames:,} per-frame items"
    _say(plan, f"STOW of a {label}", "ms", "less", stored)
    first["pydicom (read, to JSON)"] = repeated(plan.runs, lambda _: _pydicom(path), extra=0)
    _say(plan, f"metadata of a {label}, first", "ms", "less", first)
    _say(plan, f"metadata of a {label}, later", "ms", "less", later)


def _one(server: Server, data: bytes, tag: int) -> tuple[float, list[float]]:
    """Milliseconds to store it and to answer its metadata, four times."""
    client, times = Client(server.root), []
    begun = time.perf_counter()
    assert client.store([data]) == 200
    stored = (time.perf_counter() - begun) * 1000
    for _ in range(4):
        begun = time.perf_counter()
        study = f"{material.ROOT}.{tag}.1"
        status, body = client.get(f"/studies/{study}/series/{study}.1/metadata")
        times.append((time.perf_counter() - begun) * 1000)
        assert status == 200, status
        assert body.count(b"00480301") or body.count(b"0048021A"), "no positions of frames in the metadata"
    return stored, times


def _pydicom(path: Path) -> tuple[float, Facts]:
    code = (
        "import json, sys, time, pydicom; begun = time.perf_counter(); "
        "ds = pydicom.dcmread(sys.argv[1], stop_before_pixels=True); "
        "json.dumps(ds.to_json_dict()); print(time.perf_counter() - begun)"
    )
    with watched(None) as spent:
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        spent.follow(process.pid)
        said, _ = process.communicate()
    assert process.returncode == 0
    return float(said) * 1000, costs(spent)
