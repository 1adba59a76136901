"""C-GET and C-MOVE of a slide and of CTs, beside Orthanc: DCMTK asks, takes what comes, and keeps nothing.

Filled by C-STORE before the clock starts; what is fetched lies in the page cache of every side.
"""

import io
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pydicom

from bench import material, servers
from bench.lines import Line, watched
from bench.plan import Facts, Plan, Start, costs, repeated
from bench.receiving import send
from bench.servers import Server

SINK = "SINK"
TAG = 700000
GET = ("/usr/bin/getscu", "-S", "-pdu", "131072", "--ignore")
MOVE = ("/usr/bin/movescu", "-S", "-pdu", "131072", "-aem", SINK)


def fetch(plan: Plan) -> None:
    """One slide, then the CTs of one study, by C-GET and by C-MOVE."""
    size_mb = material.slide(plan.work, plan.big, 1).path.stat().st_size / 1e6
    ct = pydicom.dcmread(io.BytesIO(next(material.ct_images(plan.work, TAG, 1)))).StudyInstanceUID
    wanted = {
        f"a slide of {size_mb:.0f} MB": (material.slide(plan.work, plan.big, 1).study, "+xy", size_mb, "MB/s"),
        f"{plan.received} CTs of 0.5 MB": (ct, "+x=", plan.received, "instances/s"),
    }
    found: dict[str, dict[str, tuple[float, Facts]]] = {}
    units = {}
    for name, sink, start in _sides(plan):
        with start() as server, _receiver(sink):
            send(plan.work, server, [("slide", plan.big, 1)])
            send(plan.work, server, [("ct", TAG, 0, plan.received)])
            for what, (study, syntax, amount, unit) in wanted.items():
                for service, tool in (("C-GET", (*GET, syntax)), ("C-MOVE", MOVE)):
                    once = partial(_once, server, tool, study, amount)
                    once(0)  # warm-up
                    found.setdefault(f"{service} of {what}", {})[name] = repeated(plan.runs, once, extra=0)
                    units[f"{service} of {what}"] = unit
    for what, sides in found.items():
        values = {name: figure for name, (figure, facts) in sides.items() if not facts.get("bad")}
        more = {name: facts for name, (_, facts) in sides.items()}
        plan.book.add(Line(what, units[what], "more", values, more))


def _sides(plan: Plan) -> Iterator[tuple[str, int, Start]]:
    sink = servers.port()
    yield "ours", sink, partial(servers.ours, plan.work / "run/fetch-ours", sink=sink)
    if servers.orthanc_command(plan.work, True):
        sink = servers.port()
        yield "Orthanc 1.12", sink, partial(servers.orthanc, plan.work, plan.work / "run/fetch-orthanc", sink=sink)


@contextmanager
def _receiver(port: int) -> Iterator[None]:
    """A storescp that forgets what it gets."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["/usr/bin/storescp", "--ignore", "--fork", "+xa", "-pdu", "131072", "-od", folder, str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                servers.until(lambda: servers.reached(port))
                yield
            finally:
                process.kill()


def _once(server: Server, tool: tuple[str, ...], study: str, amount: float, _: int) -> tuple[float, Facts]:
    """Amount a second; bad when the last answer does not say that all was sent."""
    aet, port = server.dicom
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    with tempfile.TemporaryDirectory() as folder, watched(server.pid) as spent:
        command = [*tool, "-v", "-aec", aet, *keys, "127.0.0.1", str(port)]
        said = subprocess.run(command, capture_output=True, text=True, cwd=Path(folder), check=False).stderr
    bad = 0 if "Success" in said else 1
    return amount / spent.seconds, {"bad": bad, **costs(spent), "cpu_s": round(spent.cpu_s, 2)}
