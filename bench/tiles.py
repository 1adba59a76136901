"""Tiles a second: as stored (`frames`) and decoded and encoded again (`rendered`), by wrk over loopback."""

import json
import random
import struct
import subprocess
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from bench import material, scanned, servers
from bench.lines import Line, watched
from bench.material import SlideFile
from bench.plan import Facts, Plan, Start, costs, kept, repeated
from bench.servers import Server
from bench.web import Client

JPEG = 'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50'
LUA = Path(__file__).parent / "requests.lua"
FEW = 50  # answers in a run; a side with fewer is given more time
Results = dict[tuple[int, int], dict[str, tuple[float, Facts]]]


def wrk(
    origin: str, requests: Path, clients: int, seconds: float, seed: int, authorization: str = ""
) -> dict[str, float]:
    """Runs wrk; returns requests, bytes, us, p50_ms, p99_ms, bad (statuses above 399), broken (connections)."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "60s", "-s", str(LUA), origin]
    told = [str(requests), str(seed), *([authorization] if authorization else [])]
    done = subprocess.run([*command, "--", *told], capture_output=True, text=True, check=False)
    found = [row for row in done.stdout.splitlines() if row.startswith("JSON")]
    if not found:
        raise RuntimeError(f"wrk failed: {done.stdout[-300:]} {done.stderr[-300:]}")
    result: dict[str, float] = json.loads(found[0][4:])
    return result


def _requests(plan: Plan, server: Server, slides: Sequence[SlideFile], suffix: str = "", accept: str = JPEG) -> Path:
    """20,000 random frames of these slides, as this server is asked for them."""
    rng = random.Random(1)
    rows = []
    for _ in range(20_000):
        chosen = rng.choice(slides)
        number = rng.randrange(len(chosen.offsets))
        if server.name == "limit: nginx ranges":
            start, length = chosen.offsets[number]
            rows.append(f"/{chosen.path.name}\t\tbytes={start}-{start + length - 1}\n")
        elif server.name == "limit: uvloop pread":
            rows.append(f"/{number + 1}\t\t\n")
        else:
            prefix = "/" + server.root.split("/", 3)[3]
            rows.append(f"{prefix}{chosen.frames_path}/{number + 1}{suffix}\t{accept}\t\n")
    path = plan.work / "requests.txt"
    path.write_text("".join(rows))
    return path


def _load(plan: Plan, server: Server, requests: Path, clients: int) -> tuple[float, Facts]:
    """Answers a second, after a warm-up that also says whether a run must be longer to mean anything."""
    origin = "/".join(server.root.split("/")[:3])
    warm = wrk(origin, requests, clients, 1, 99)
    seconds = plan.seconds if warm["requests"] * plan.seconds >= FEW else plan.slow_s

    def once(number: int) -> tuple[float, Facts]:
        with watched(server.pid) as spent:
            got = wrk(origin, requests, clients, seconds, clients + 100 * number)
        facts = {key: got[key] for key in ("p50_ms", "p99_ms", "bad", "broken")}
        cpu_us = round(spent.cpu_s * 1e6 / got["requests"]) if got["requests"] else 0
        return got["requests"] / (got["us"] / 1e6), {**facts, "cpu_us": cpu_us, **costs(spent)}

    return repeated(plan.runs, once)


def _say(plan: Plan, what: str, unit: str, sides: dict[str, tuple[float, Facts]]) -> None:
    """Adds a line; a side that gave one answer but 200 or 206 has no figure, only its facts."""
    values = {name: rate for name, (rate, facts) in sides.items() if not facts.get("bad")}
    plan.book.add(Line(what, unit, "more", values, {name: facts for name, (_, facts) in sides.items()}))


# -- as stored -------------------------------------------------------------------------------------------------------


def frames(plan: Plan) -> None:
    """Random frames of one and of four slides; nginx and a bare uvloop server bound what is possible."""
    slides = _slides(plan)
    index = plan.work / "index.bin"
    index.write_bytes(b"".join(struct.pack("<QQ", *place) for place in slides[0].offsets))
    results: Results = {}

    def measure(server: Server, counts: Iterable[int]) -> None:
        for count in counts:
            requests = _requests(plan, server, slides[:count])
            for clients in plan.clients:
                rate = _load(plan, server, requests, clients)
                results.setdefault((count, clients), {})[server.name] = rate

    for name, start in stored(plan):
        with start() as server:
            check(server, slides[0])
            measure(server, (1,) if name == "Orthanc 1.10" else (1, len(slides)))
    with servers.nginx(plan.work / "run/nginx", [slide.path for slide in slides]) as server:
        measure(server, (1, len(slides)))
    with servers.least(plan.work / "run/least", slides[0].path, index) as server:
        measure(server, (1,))
    for (count, clients), sides in sorted(results.items()):
        _say(plan, f"frames, {count} slide{'s' * (count > 1)}, {clients} clients", "frames/s", sides)


def _slides(plan: Plan) -> list[SlideFile]:
    return [material.slide(plan.work, plan.side, number) for number in (1, 2, 3, 4)]


def stored(plan: Plan) -> list[tuple[str, Start]]:
    """Every side with the four slides in it, kept from run to run: Orthanc is slow to store them."""

    def fill(server: Server) -> None:
        for slide in _slides(plan):
            assert Client(server.root).store([slide.path]) == 200

    return list(kept(plan, f"slides{plan.side}", fill))


def check(server: Server, slide: SlideFile) -> None:
    """The bytes a server gives are the slide's own; a fast wrong answer is no result."""
    client = Client(server.root)
    with slide.path.open("rb") as file:
        for number in (1, 2, len(slide.offsets) // 2, len(slide.offsets)):
            status, body = client.get(f"{slide.frames_path}/{number}", JPEG)
            start, length = slide.offsets[number - 1]
            file.seek(start)
            assert status == 200, (server.name, status, body[:200])
            assert file.read(length).rstrip(b"\0") in body, f"{server.name} gives other bytes for frame {number}"


# -- decoded and encoded again ---------------------------------------------------------------------------------------


def rendered(plan: Plan) -> None:
    """Tiles decoded and encoded again as JPEG: servers over HTTP, libraries in threads of one process without it."""
    slide = material.slide(plan.work, plan.side)
    counts = plan.clients[:2]
    sides: dict[int, dict[str, tuple[float, Facts]]] = {clients: {} for clients in counts}
    for name, start in stored(plan):
        if name != "Orthanc 1.10":
            with start() as server:
                requests = _requests(plan, server, [slide], "/rendered", "image/jpeg")
                for clients in counts:
                    sides[clients][name] = _load(plan, server, requests, clients)
    for library, python in readers(plan.work):
        for clients in counts:
            sides[clients][f"{library} (no HTTP)"] = repeated(plan.runs, _reader(plan, library, python, clients))
    for clients in counts:
        _say(plan, f"rendered tiles, {clients} clients", "tiles/s", sides[clients])


def readers(work: Path) -> list[tuple[str, Path]]:
    """Libraries that read slides and the Python that has them (`bench/setup` makes it)."""
    python = work / "li/bin/python"
    return [("OpenSlide", python), ("large_image", python)] if python.exists() else []


def _reader(plan: Plan, library: str, python: Path, threads: int) -> Callable[[int], tuple[float, Facts]]:
    script = Path(__file__).parent / "readers.py"
    slide = scanned.svs_of(plan.work, plan.scan_mb)
    command = [str(python), str(script), library.lower(), str(slide), str(threads), str(plan.seconds)]
    return partial(_reading, command)


def _reading(command: list[str], _: int) -> tuple[float, Facts]:
    with watched(None) as spent:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        spent.follow(process.pid)
        said, _error = process.communicate()
    assert process.returncode == 0, command
    got = json.loads(said)
    facts = {"p50_ms": got["p50_ms"], "p99_ms": got["p99_ms"], **costs(spent)}
    return got["tiles"] / got["seconds"], facts
