"""`lamelle demo`: draws what is missing, takes it in as `lamelle import` does, serves it and says what to click.

Drawing and taking in is in preparing, serving is ops.serve's.
"""

import errno
import socket
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Literal

from rich.console import Console

from lamelle.base import telemetry
from lamelle.base.errors import Unavailable
from lamelle.ops import children, config, serve
from lamelle.ops.config import Settings

FOLDER = Path("demo-data")
PORT = 8080
HL7_PORT, LIS_PORT = 2575, 2675
LIS = "SIL"
NAMES = r"(?P<accession_number>[0-9]{2}[A-Z][0-9]{5})-(?P<block>[A-Z][0-9]+)-(?P<stain>[A-Z0-9]+)"
VERSION = "2"
"""Of what the archive holds: another number begins a new one."""
TRIES = 20
BUSY = frozenset({errno.EADDRINUSE, errno.EACCES})

Size = Literal["full", "small"]

GUIDE = """
[bold]Lamelle: {url}[/]

  1. Open {url} and come in as Dr Claire Morel, pathologist (morel, password: {password}).
     Ouvrez {url} et entrez comme Dr Claire Morel, pathologiste. The page offers twelve others.
  2. The worklist lives: below, a simulated LIS orders by HL7 and a scanner drops slides into a folder. Within a minute
     [bold]26H01301[/] goes from order to screen, then a frozen section, a slide before its order, an urgent case.
     La liste vit : un SIL simulé prescrit en HL7, un scanner dépose des lames dans un dossier surveillé.
  3. [bold]26H01241[/] breast: H&E, Ki-67 and HER2, sections of one block; a FISH is awaited. / sein : trois coupes.
     Wheel to zoom, drag to move. / Molette pour zoomer, glisser pour déplacer.
  4. [bold]26H01234[/] colon: ask for PAS on it, and the laboratory makes the slide. / côlon : demandez un PAS.
  5. As Sonia Leroy (leroy) the desk: a scan that nobody ordered, slides that are missing. / les exceptions.
  6. [bold]26C00417[/] smear: five focal planes; [bold]26R07731[/] thorax: a CT in the same archive.

  Your own slide / votre lame :  lamelle import --data {data} slide.svs
  Your own LIS / votre SIL :  HL7 over MLLP on localhost:{hl7}, FHIR on {url}/fhir
  Other viewers, DICOMweb / autres lecteurs :  {url}/dicomweb
     with a token / avec un jeton :  lamelle token create --data {data} brun

  Ctrl-C stops. Nothing here comes from a real person. / Ctrl-C arrête. Rien ne vient d'une personne réelle.
"""


def main(
    folder: Path = FOLDER, *, port: int = PORT, workers: int = 2, size: Size = "full", browser: bool = True
) -> None:
    """Run the demonstration in `folder` until Ctrl-C; a second run finds everything there.

    Raises: Unavailable port_in_use, demo_refused, storage_full.
    """
    console = Console(highlight=False, soft_wrap=True)
    settings = settings_of(folder / f"archive-{size}-{VERSION}", free_port(port), workers)
    scanner = settings.files.watch[0].path
    scanner.mkdir(parents=True, exist_ok=True)
    children.apart(lambda: _prepare(settings, folder, size, console))
    url = f"http://localhost:{settings.serve.port}"

    def ready(line: str) -> None:
        if not line.startswith("Lamelle listens"):
            return
        password = settings.web.demo[0].password
        console.print(GUIDE.format(url=url, password=password, data=settings.archive.data_dir, hl7=settings.hl7.port))
        if browser:
            show(url)

    laboratory = _laboratory(settings, scanner)
    try:
        serve.serve(settings, ready)
    finally:
        laboratory.communicate()  # its input ends, and so does it
    console.print("Stopped. / Arrêté.")


def _laboratory(settings: Settings, scanner: Path) -> "subprocess.Popen[str]":
    """The simulated LIS and scanner, in a process that ends with this one."""
    done = settings.archive.data_dir / "demo-day"
    given = ["--hl7", str(settings.hl7.port), "--lis", str(settings.hl7.peers[0].port)]
    given += ["--folder", str(scanner), "--done", str(done)]
    command = [sys.executable, "-m", "lamelle.ops.demo.living", *given]
    # In a session of its own: Ctrl-C is for the node, and this one ends with it.
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)


def _prepare(settings: Settings, folder: Path, size: Size, console: Console) -> None:
    """In a process of its own: what it imports and starts is not for the one that serves."""
    from lamelle.ops.demo import preparing

    preparing.prepare(settings, folder, size, console)


def settings_of(data: Path, port: int, workers: int) -> Settings:
    """The environment's settings with the demonstration's archive and port on top."""
    from lamelle.ops.demo.people import ACCOUNTS

    lis = {"name": LIS, "application": LIS, "host": "127.0.0.1", "port": free_port(LIS_PORT)}
    scanner = {"path": str(data.with_name(f"{data.name}-scanner")), "pattern": NAMES, "after": "delete"}
    named = {
        "archive.data_dir": data,
        "files.watch": [scanner],
        "files.poll_s": 1.0,
        "files.stable_polls": 2,
        "hl7.port": free_port(HL7_PORT),
        "hl7.peers": [lis],
        "hl7.link": f"http://localhost:{port}",
        "lab.scan_settle_s": 1.0,
        "lab.test_ins": True,
        "access.sign_in": "required",
        "web.demo": [{"login": one.login, "password": one.password, "role": one.role.value} for one in ACCOUNTS],
        "serve.port": port,
        "serve.workers": workers,
        "log.level": "warning",
    }
    settings = config.load(overrides=named)
    telemetry.configure(settings.log.level, settings.log.format)
    return settings


def free_port(first: int) -> int:
    """`first`, or the next port of this machine that nobody listens on.

    Raises: Unavailable port_in_use.
    """
    for port in range(first, first + TRIES):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno not in BUSY:
                    raise
            else:
                return int(trial.getsockname()[1])
    raise Unavailable("port_in_use", f"The ports {first} to {first + TRIES - 1} are all in use.")


def show(url: str) -> None:
    """Opens a browser that has a window; a machine without a display gets none, and no text browser either."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if type(found) is not webbrowser.GenericBrowser:
        found.open(url)
