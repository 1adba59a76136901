"""What is measured: each function runs the same work on every side and adds its lines to the book.

A server starts empty; sides take turns in one run, so that a ratio never joins two machines or two days.
"""

import json
import random
import shutil
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from bench import material, servers
from bench.lines import Book, Line, Spent, pss_mb, tree, watched
from bench.material import SlideFile
from bench.servers import Server
from bench.web import Client

JPEG = 'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50'
LUA = Path(__file__).parent / "requests.lua"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. Sizes: tiles a side of a slide, studies searched, CT instances stored."""

    work: Path
    book: Book
    side: int = 122
    seconds: float = 8.0
    clients: tuple[int, ...] = (1, 8, 32)
    ct: int = 300
    studies: tuple[int, ...] = (1_000, 20_000)
    own_studies: tuple[int, ...] = (1_000_000,)  # where only ours goes: a peer would take days
    searches: int = 100
    frames: int = 25_600
    svs_mb: int = 1_000


Start = Callable[[], AbstractContextManager[Server]]


def sides(plan: Plan, fresh: bool = True) -> Iterator[tuple[str, Start]]:
    """Ours and the peers that are installed, each on its own folder."""
    yield "ours", partial(servers.ours, plan.work / "run/ours", fresh=fresh)
    if servers.orthanc_command(plan.work, True):
        yield "Orthanc 1.12", partial(servers.orthanc, plan.work, plan.work / "run/orthanc112", True, fresh)
    if servers.orthanc_command(plan.work, False):
        yield "Orthanc 1.10", partial(servers.orthanc, plan.work, plan.work / "run/orthanc110", False, fresh)


def costs(spent: Spent) -> dict[str, float]:
    """Side conditions every line tells."""
    return {"memory_mb": round(spent.memory_mb), "foreign": round(spent.foreign, 2)}


# -- tiles -----------------------------------------------------------------------------------------------------------


def wrk(origin: str, requests: Path, clients: int, seconds: float, seed: int) -> dict[str, float]:
    """Runs wrk; returns requests, bytes, us, p50_ms, p99_ms, bad."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "60s", "-s", str(LUA), origin]
    done = subprocess.run([*command, "--", str(requests), str(seed)], capture_output=True, text=True, check=False)
    found = [row for row in done.stdout.splitlines() if row.startswith("JSON")]
    if not found:
        raise RuntimeError(f"wrk failed: {done.stdout[-300:]} {done.stderr[-300:]}")
    result: dict[str, float] = json.loads(found[0][4:])
    return result


def _asked(path: Path, rows: Sequence[tuple[str, str, str]]) -> Path:
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    return path


def _requests(plan: Plan, server: Server, slides: Sequence[SlideFile], suffix: str = "", accept: str = JPEG) -> Path:
    """20,000 random frames of these slides, as this server is asked for them."""
    rng = random.Random(1)
    rows = []
    for _ in range(20_000):
        chosen = rng.choice(slides)
        number = rng.randrange(len(chosen.offsets))
        if server.name == "limit: nginx ranges":
            start, length = chosen.offsets[number]
            rows.append((f"/{chosen.path.name}", "", f"bytes={start}-{start + length - 1}"))
        elif server.name == "limit: granian pread":
            rows.append((f"/{number + 1}", "", ""))
        else:
            prefix = "/" + server.root.split("/", 3)[3]
            rows.append((f"{prefix}{chosen.frames_path}/{number + 1}{suffix}", accept, ""))
    return _asked(plan.work / "requests.txt", rows)


def _load(plan: Plan, server: Server, requests: Path, clients: int) -> tuple[float, dict[str, float]]:
    origin = "/".join(server.root.split("/")[:3])
    with watched(server.pid) as spent:
        got = wrk(origin, requests, clients, plan.seconds, clients)
    rate = got["requests"] / (got["us"] / 1e6)
    return rate, {"p50_ms": got["p50_ms"], "p99_ms": got["p99_ms"], "bad": got["bad"], **costs(spent)}


def frames(plan: Plan) -> None:
    """Random frames of one and of four slides; nginx and granian bound what is possible."""
    slides = [material.slide(plan.work, plan.side, number) for number in (1, 2, 3, 4)]
    index = plan.work / "index.bin"
    index.write_bytes(b"".join(struct.pack("<QQ", *place) for place in slides[0].offsets))
    rates: dict[tuple[int, int], dict[str, float]] = {}
    more: dict[tuple[int, int], dict[str, Any]] = {}

    def measure(server: Server, counts: Sequence[int]) -> None:
        for count in counts:
            requests = _requests(plan, server, slides[:count])
            for clients in plan.clients:
                rate, facts = _load(plan, server, requests, clients)
                rates.setdefault((count, clients), {})[server.name] = rate
                more.setdefault((count, clients), {})[server.name] = facts

    for _, start in sides(plan):
        with start() as server:
            for slide in slides:
                assert Client(server.root).store([slide.path]) == 200
            check_frames(server, slides[0])
            measure(server, (1, 4))
    with servers.nginx(plan.work / "run/nginx", [slide.path for slide in slides]) as server:
        measure(server, (1, 4))
    with servers.granian(plan.work / "run/granian", slides[0].path, index) as server:
        measure(server, (1,))
    for (count, clients), values in sorted(rates.items()):
        what = f"frames, {count} slide{'s' * (count > 1)}, {clients} clients"
        plan.book.add(Line(what, "frames/s", "more", values, more[count, clients]))


def check_frames(server: Server, slide: SlideFile) -> None:
    """The bytes a server gives are the slide's own; a fast wrong answer is no result."""
    client = Client(server.root)
    with slide.path.open("rb") as file:
        for number in (1, len(slide.offsets)):
            status, body = client.get(f"{slide.frames_path}/{number}", JPEG)
            start, length = slide.offsets[number - 1]
            file.seek(start)
            assert status == 200, (server.name, status, body[:200])
            assert file.read(length).rstrip(b"\0") in body, f"{server.name} gives other bytes for frame {number}"


def rendered(plan: Plan) -> None:
    """Tiles decoded and encoded again as JPEG."""
    slide = material.slide(plan.work, min(plan.side, 32))
    for clients in plan.clients[:2]:
        values, more = {}, {}
        for name, start in sides(plan):
            with start() as server:
                assert Client(server.root).store([slide.path]) == 200
                requests = _requests(plan, server, [slide], "/rendered", "image/jpeg")
                values[name], more[name] = _load(plan, server, requests, clients)
        plan.book.add(Line(f"rendered tiles, {clients} clients", "tiles/s", "more", values, more))


# -- storing ---------------------------------------------------------------------------------------------------------


def stow(plan: Plan) -> None:
    """One slide, then CT instances ten a request from one and from four clients."""
    slide = material.slide(plan.work, plan.side)
    size = slide.path.stat().st_size / 1e6
    whole: dict[str, float] = {}
    whole_more: dict[str, Any] = {}
    counts: dict[int, dict[str, float]] = {1: {}, 4: {}}
    counts_more: dict[int, dict[str, Any]] = {1: {}, 4: {}}
    for name, start in sides(plan):
        with start() as server:
            with watched(server.pid) as spent:
                assert Client(server.root).store([slide.path]) == 200
            whole[name], whole_more[name] = size / spent.seconds, costs(spent)
            for clients in (1, 4):
                images = list(material.ct_images(500000 + clients, plan.ct))
                batches = [images[at : at + 10] for at in range(0, len(images), 10)]
                with watched(server.pid) as spent:
                    assert set(_parallel(batches, clients, server.root)) == {200}
                counts[clients][name], counts_more[clients][name] = len(images) / spent.seconds, costs(spent)
    plan.book.add(Line(f"STOW slide of {size:.0f} MB", "MB/s", "more", whole, whole_more))
    for clients in (1, 4):
        what = f"STOW CT of 0.5 MB, {clients} client{'s' * (clients > 1)}"
        plan.book.add(Line(what, "instances/s", "more", counts[clients], counts_more[clients]))


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
    return statuses


# -- searching -------------------------------------------------------------------------------------------------------

SEARCHES: dict[str, Callable[[dict[str, str]], str]] = {
    "StudyInstanceUID": lambda facts: f"StudyInstanceUID={facts['StudyInstanceUID']}",
    "PatientID": lambda facts: f"PatientID={facts['PatientID']}",
    "AccessionNumber": lambda facts: f"AccessionNumber={facts['AccessionNumber']}",
    "PatientName=X*": lambda facts: f"PatientName={quote(facts['PatientName'].split('^')[0])}*",
    "StudyDate of a day": lambda facts: f"StudyDate={facts['StudyDate']}",
    "StudyDate of a month": lambda facts: f"StudyDate={facts['StudyDate'][:6]}01-{facts['StudyDate'][:6]}31",
    "first page": lambda facts: "",
}
"""What is asked, made from the facts of a study that is there."""


def qido(plan: Plan) -> None:
    """Searches among thousands and, ours only, a million studies; at most 50 answers each."""
    found: dict[tuple[int, str], dict[str, list[float]]] = {}
    more: dict[int, dict[str, Any]] = {}

    def measure(server: Server, studies: int, facts: Sequence[dict[str, str]], stored: float) -> None:
        with watched(server.pid) as spent:
            for kind in SEARCHES:
                found.setdefault((studies, kind), {})[server.name] = _search(server, kind, facts)
        more.setdefault(studies, {})[server.name] = {"stored_a_second": round(stored), **costs(spent)}

    for name, start in sides(plan):
        if name == "Orthanc 1.10":
            continue  # the newer one stands for both
        with start() as server:
            held = 0
            for studies in plan.studies:
                with watched(server.pid) as spent:
                    _fill(server, held, studies)
                rng = random.Random(3)
                facts = [material.facts_of(rng.randrange(studies)) for _ in range(plan.searches)]
                measure(server, studies, facts, (studies - held) / spent.seconds)
                held = studies
    for studies in plan.own_studies:
        folder = plan.work / f"run/ours-{studies}"
        facts = rows_only(folder / "data", studies, plan.searches)
        with servers.ours(folder, fresh=False) as server:
            measure(server, studies, facts, 0)
    for (studies, kind), values in sorted(found.items()):
        what = f"QIDO {kind}, {studies:,} studies"
        p95 = {f"{name} p95": round(statistics.quantiles(times, n=20)[-1], 2) for name, times in values.items()}
        middle = {name: statistics.median(times) for name, times in values.items()}
        plan.book.add(Line(what, "ms", "less", middle, {**p95, **more[studies]}))


def rows_only(data: Path, studies: int, count: int) -> list[dict[str, str]]:
    """An archive whose catalogue has rows for many studies and no blobs (`qido_fill`), kept between runs.

    Returns the facts of `count` of them.
    """
    from bench import qido_fill
    from lamelle.archive.catalogue import study
    from lamelle.base.db import Database

    url = f"sqlite:///{data / 'catalogue.sqlite3'}"
    if not (data / "complete").exists():
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        database = Database(url)
        database.migrate()
        qido_fill.fill(database, studies)
        (data / "complete").touch()
    rng = random.Random(3)
    wanted = [rng.randrange(studies) + 1 for _ in range(count)]
    named = {
        "StudyInstanceUID": study.c.uid, "PatientID": study.c.patient_id, "AccessionNumber": study.c.accession_number,
        "PatientName": study.c.patient_name, "StudyDate": study.c.study_date,
    }  # fmt: skip
    with Database(url).read() as connection:
        rows = connection.execute(sa.select(*named.values()).where(study.c.id.in_(wanted))).all()
    return [dict(zip(named, row, strict=True)) for row in rows]


def _fill(server: Server, first: int, last: int, batch: int = 200) -> None:
    client = Client(server.root)
    for at in range(first, last, batch):
        status = client.store([material.bare_study(number) for number in range(at, min(last, at + batch))])
        assert status == 200, status


def _search(server: Server, kind: str, wanted: Sequence[dict[str, str]]) -> list[float]:
    client, times = Client(server.root), []
    for facts in wanted:
        path = f"/studies?limit=50&{SEARCHES[kind](facts)}"
        start = time.perf_counter()
        answers = client.json(path)
        times.append((time.perf_counter() - start) * 1000)
        assert answers, (server.name, path)
    return times


def metadata(plan: Plan) -> None:
    """Metadata of a slide with one functional group item a frame: first and later answers."""
    path = material.sparse_slide(plan.work, plan.frames)
    slide = f"/studies/{material.ROOT}.300001.1/series/{material.ROOT}.300001.1.1"
    first: dict[str, float] = {}
    later: dict[str, float] = {}
    stored: dict[str, float] = {}
    more: dict[str, Any] = {}
    for name, start in sides(plan):
        with start() as server:
            client = Client(server.root)
            with watched(server.pid) as spent:
                assert client.store([path]) == 200
                times = []
                for _ in range(6):
                    begun = time.perf_counter()
                    status, body = client.get(f"{slide}/metadata")
                    times.append((time.perf_counter() - begun) * 1000)
                    assert status == 200
            stored[name] = spent.seconds * 1000 - sum(times)
            first[name], later[name] = times[0], statistics.median(times[1:])
            more[name] = {"bytes": len(body), **costs(spent)}
    label = f"slide of {plan.frames:,} per-frame items"
    plan.book.add(Line(f"STOW of a {label}", "ms", "less", stored, more))
    plan.book.add(Line(f"metadata of a {label}, first", "ms", "less", first, more))
    plan.book.add(Line(f"metadata of a {label}, later", "ms", "less", later, more))


# -- converting ------------------------------------------------------------------------------------------------------


def convert(plan: Plan) -> None:
    """An SVS into the archive, against wsidicomizer and against copying and hashing the file."""
    slide = svs_of(plan.work, plan.svs_mb)
    size = slide.stat().st_size / 1e6
    values, more = {}, {}
    for name, work in (
        ("ours", partial(_import, plan, slide)),
        ("wsidicomizer", partial(_wsidicomizer, plan, slide)),
        ("limit: cp + sync + sha256", partial(_copy, plan, slide)),
    ):
        command = work()
        if command is None:
            continue
        with watched(None) as spent:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            peak = _peak_of(process)
        error = process.stderr.read().decode()[-400:] if process.stderr else ""
        assert process.returncode == 0, (name, error)
        values[name], more[name] = size / spent.seconds, {"memory_mb": round(peak), "foreign": round(spent.foreign, 2)}
    plan.book.add(Line(f"SVS of {size:.0f} MB to DICOM", "MB/s", "more", values, more))


def _peak_of(process: subprocess.Popen[bytes]) -> float:
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, pss_mb(tree(process.pid)))
        time.sleep(0.1)
    return peak


def _import(plan: Plan, slide: Path) -> list[str]:
    data = plan.work / "run/convert"
    shutil.rmtree(data, ignore_errors=True)
    return [sys.executable, "-m", "lamelle", "import", "--data", str(data), str(slide)]


def _wsidicomizer(plan: Plan, slide: Path) -> list[str] | None:
    folder = plan.work / "run/wsidicomizer"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    code = (
        "import sys; from wsidicomizer import WsiDicomizer; WsiDicomizer.convert(sys.argv[1], output_path=sys.argv[2])"
    )
    return [sys.executable, "-c", code, str(slide), str(folder)]


def _copy(plan: Plan, slide: Path) -> list[str]:
    copy = plan.work / "run/copy"
    return ["sh", "-c", 'cp "$0" "$1" && sync "$1" && sha256sum "$1" && rm "$1"', str(slide), str(copy)]


def svs_of(work: Path, megabytes: int) -> Path:
    """An SVS of about this size, its tiles drawn by the demonstration, with a pyramid, label and macro."""
    import numpy as np
    import tifffile

    from lamelle.ops.demo import labels, svs

    path = work / f"slide-{megabytes}.svs"
    if path.exists():
        return path
    tiles = [svs.split_tables(tile)[1] for tile in material.pool()]
    tables = svs.split_tables(material.pool()[0])[0]
    side = max(4, round((megabytes * 1e6 / 1.0625 / (sum(map(len, tiles)) / len(tiles))) ** 0.5) // 4 * 4)
    kind = {
        "dtype": np.uint8, "photometric": "ycbcr", "subsampling": (2, 2), "compression": "jpeg", "jpegtables": tables,
        "tile": (256, 256), "metadata": None, "software": False,
    }  # fmt: skip
    width = side * 256
    text = f"Aperio Image Library v12.0.15 \r\n{width}x{width} [0,0 {width}x{width}] (256x256) JPEG/YCC Q=92"
    facts = "|AppMag = 40|MPP = 0.2500|ScanScope ID = BENCH1|Date = 03/16/26|Time = 09:12:33"
    draft = path.with_suffix(".part")
    with tifffile.TiffWriter(draft, bigtiff=megabytes > 3900) as tif:
        for step in (1, 4, 16):
            across = -(-side // step)
            data = (tiles[(k * 7 + k // across) % len(tiles)] for k in range(across * across))
            size = width // step
            reduced = "" if step == 1 else f" -> {size}x{size} JPEG/YCC Q=92"
            tif.write(data, shape=(size, size, 3), description=text + reduced + facts, **kind)
            if step == 1:
                thumbnail = np.full((512, 512, 3), 200, np.uint8)
                tif.write(
                    thumbnail, description=f"{text} -> 512x512 - {facts}", compression="jpeg", photometric="rgb",
                    metadata=None, rowsperstrip=16, software=False,
                )  # fmt: skip
        printed = labels.label(labels.LabelText("BENCH", "BENCH-1", "FICTIF", "HE", "16/03/2026"))
        plain = {"photometric": "rgb", "metadata": None, "rowsperstrip": 16, "software": False}
        tif.write(
            printed,
            description="Aperio Image Library v12.0.15 \r\nlabel 400x460",
            subfiletype=1,
            compression="lzw",
            **plain,
        )
        tif.write(
            printed,
            description="Aperio Image Library v12.0.15 \r\nmacro 400x460",
            subfiletype=9,
            compression="jpeg",
            **plain,
        )
    draft.rename(path)
    return path


# -- looking ---------------------------------------------------------------------------------------------------------


def view(plan: Plan) -> None:
    """From opening a slide's page to its whole first view, in Chromium without a graphics card; cold and warm."""
    from bench import browser

    slide = svs_of(plan.work, min(plan.svs_mb, 200))
    with servers.ours(plan.work / "run/view", fresh=True) as server:
        pass
    subprocess.run(
        [sys.executable, "-m", "lamelle", "import", "--data", str(plan.work / "run/view/data"), str(slide)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with servers.ours(plan.work / "run/view", fresh=False) as server:
        with watched(server.pid) as spent:
            cold, warm = browser.first_views("/".join(server.root.split("/")[:3]))
    plan.book.add(Line("first full view of a slide, cold", "ms", "less", {"ours": cold}, costs(spent)))
    plan.book.add(Line("first full view of a slide, warm", "ms", "less", {"ours": warm}, costs(spent)))


MEASURES: dict[str, Callable[[Plan], None]] = {
    "frames": frames,
    "stow": stow,
    "qido": qido,
    "metadata": metadata,
    "convert": convert,
    "rendered": rendered,
    "view": view,
}
