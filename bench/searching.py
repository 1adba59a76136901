"""QIDO-RS searches among thousands of studies on every side, and among a million on ours."""

import random
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from bench import material, servers
from bench.lines import Line, watched
from bench.plan import Facts, Plan, Start, costs, kept, quantile
from bench.servers import Server
from bench.web import Client

Wanted = Sequence[dict[str, str]]
Searches = Mapping[str, Callable[[dict[str, str]], str]]
SEARCHES: Searches = {
    "StudyInstanceUID": lambda facts: f"StudyInstanceUID={facts['StudyInstanceUID']}",
    "PatientID": lambda facts: f"PatientID={facts['PatientID']}",
    "AccessionNumber": lambda facts: f"AccessionNumber={facts['AccessionNumber']}",
    "PatientName=X*": lambda facts: f"PatientName={quote(facts['PatientName'].split('^')[0])}*",
    "StudyDate of a day": lambda facts: f"StudyDate={facts['StudyDate']}",
    "StudyDate of a month": lambda facts: f"StudyDate={_month(facts)}",
    "first page": lambda facts: "",
}
"""What is asked, made from the facts of a study that is there."""
FURTHER: Searches = {
    **SEARCHES,
    "two fuzzy words": lambda facts: f"fuzzymatching=true&PatientName={quote(' '.join(_begun(facts)))}",
    "PatientName=X*Y*": lambda facts: f"PatientName={quote('*'.join(_begun(facts)))}*",
    "PatientName=*X*": lambda facts: f"PatientName=*{quote(facts['PatientName'][1:5])}*",
    "PatientName=X* of a month": lambda facts: f"{SEARCHES['PatientName=X*'](facts)}&StudyDate={_month(facts)}",
    "modality of a day": lambda facts: f"ModalitiesInStudy=SM&StudyDate={facts['StudyDate']}",
    "PatientID of ten years": lambda facts: f"PatientID={facts['PatientID']}&StudyDate=20160101-20261231",
    "page 100": lambda facts: "offset=4950",
}
"""What is asked of ours alone, of a million studies."""
PEERLESS = ("Orthanc 1.10",)  # the newer one stands for both


def qido(plan: Plan) -> None:
    """Searches among thousands and, ours only, a million studies; at most 50 answers each."""
    for studies in plan.studies:
        found: dict[str, dict[str, list[float]]] = {}
        more: dict[str, Facts] = {}
        wanted = _some(studies, plan.searches)
        for name, start in _filled(plan, studies):
            if name not in PEERLESS:
                with start() as server:
                    more[name] = _measure(server, wanted, found)
        _say(plan, studies, found, more)
    for studies in plan.own_studies:
        found, more = {}, {}
        folder = plan.work / f"run/ours-rows{studies}"
        wanted = rows_only(folder / "data", studies, plan.searches)
        with servers.ours(folder, fresh=False) as server:
            more["ours"] = _measure(server, wanted, found, FURTHER)
        _say(plan, studies, found, more)


def _month(facts: dict[str, str]) -> str:
    return f"{facts['StudyDate'][:6]}01-{facts['StudyDate'][:6]}31"


def _begun(facts: dict[str, str]) -> list[str]:
    """The beginnings of family and given name."""
    return [name[:5] for name in facts["PatientName"].split("^")]


def prepare(plan: Plan) -> None:
    for studies in plan.studies:
        list(_filled(plan, studies))
    for studies in plan.own_studies:
        rows_only(plan.work / f"run/ours-rows{studies}/data", studies, 1)


def _filled(plan: Plan, studies: int) -> list[tuple[str, Start]]:
    return list(kept(plan, f"studies{studies}", lambda server: _fill(server, studies)))


def _some(studies: int, count: int) -> Wanted:
    rng = random.Random(3)
    return [material.facts_of(rng.randrange(studies)) for _ in range(count)]


def _measure(
    server: Server, wanted: Wanted, found: dict[str, dict[str, list[float]]], searches: Searches = SEARCHES
) -> Facts:
    with watched(server.pid) as spent:
        for kind, asked in searches.items():
            queries = [asked(facts) for facts in wanted]
            _search(server, queries[:3])
            found.setdefault(kind, {})[server.name] = _search(server, queries)
    return costs(spent)


def _say(plan: Plan, studies: int, found: dict[str, dict[str, list[float]]], more: dict[str, Facts]) -> None:
    for kind, times in found.items():
        facts = {
            name: {"p50_ms": round(statistics.median(all_), 2), "p95_ms": round(quantile(all_, 0.95), 2), **more[name]}
            for name, all_ in times.items()
        }
        middle = {name: statistics.median(all_) for name, all_ in times.items()}
        plan.book.add(Line(f"QIDO {kind}, {studies:,} studies", "ms", "less", middle, facts))


def rows_only(data: Path, studies: int, count: int) -> Wanted:
    """An archive whose catalogue has rows for many studies and no blobs (`qido_fill`), kept between runs.

    Returns the facts of `count` of them.
    """
    from bench import qido_fill
    from lamelle.archive.catalogue import study
    from lamelle.base.db import Database

    database = Database(f"sqlite:///{data / 'catalogue.sqlite3'}")
    if not (data / "complete").exists():
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        database.migrate()
        qido_fill.fill(database, studies)
        (data / "complete").touch()
    database.migrate()
    rng = random.Random(3)
    chosen = [rng.randrange(studies) + 1 for _ in range(count)]
    named = {
        "StudyInstanceUID": study.c.uid, "PatientID": study.c.patient_id, "AccessionNumber": study.c.accession_number,
        "PatientName": study.c.patient_name, "StudyDate": study.c.study_date,
    }  # fmt: skip
    with database.read() as connection:
        rows = connection.execute(sa.select(*named.values()).where(study.c.id.in_(chosen))).all()
    return [dict(zip(named, row, strict=True)) for row in rows]


def _fill(server: Server, studies: int, batch: int = 200) -> None:
    client = Client(server.root)
    for at in range(0, studies, batch):
        status = client.store([material.bare_study(number) for number in range(at, min(studies, at + batch))])
        assert status == 200, status


def _search(server: Server, queries: Sequence[str]) -> list[float]:
    client, times = Client(server.root), []
    for query in queries:
        path = f"/studies?limit=50&{query}"
        start = time.perf_counter()
        answers = client.json(path)
        times.append((time.perf_counter() - start) * 1000)
        assert answers, (server.name, query)
    return times
