"""`lamelle demo`: draws what is missing, takes it in as `lamelle import` does, serves it and says what to click.

Drawing and taking in is in preparing, serving is ops.serve's.
"""

import errno
import socket
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
TRIES = 20
BUSY = frozenset({errno.EADDRINUSE, errno.EACCES})

Size = Literal["full", "small"]

GUIDE = """
[bold]Lamelle: {url}[/]

  1. Open {url} and come in as Dr Claire Morel, pathologist (morel, password: {password}).
     Ouvrez {url} et entrez comme Dr Claire Morel, pathologiste. The page offers twelve others.
  2. [bold]26H01241[/] breast: H&E, Ki-67 and HER2, sections of one block. / sein : trois coupes d'un même bloc.
     Wheel to zoom, drag to move. / Molette pour zoomer, glisser pour déplacer.
  3. [bold]26H01234[/] colon: from the crypts to the carcinoma. / côlon : des cryptes au carcinome.
  4. [bold]26C00417[/] smear: step through five focal planes. / frottis : parcourez les cinq plans focaux.
  5. [bold]26F00023[/] kidney: three fluorescence channels. / rein : trois canaux de fluorescence.
  6. [bold]26R07731[/] thorax: a CT in the same archive. / thorax : un scanner dans la même archive.

  Your own slide / votre lame :  lamelle import --data {data} slide.svs
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
    settings = settings_of(folder / f"archive-{size}", free_port(port), workers)
    children.apart(lambda: _prepare(settings, folder, size, console))
    url = f"http://localhost:{settings.serve.port}"

    def ready(line: str) -> None:
        password = settings.web.demo[0].password
        console.print(GUIDE.format(url=url, password=password, data=settings.archive.data_dir))
        if browser:
            show(url)

    serve.serve(settings, ready)
    console.print("Stopped. / Arrêté.")


def _prepare(settings: Settings, folder: Path, size: Size, console: Console) -> None:
    """In a process of its own: what it imports and starts is not for the one that serves."""
    from lamelle.ops.demo import preparing

    preparing.prepare(settings, folder, size, console)


def settings_of(data: Path, port: int, workers: int) -> Settings:
    """The environment's settings with the demonstration's archive and port on top."""
    from lamelle.ops.demo.people import ACCOUNTS

    named = {
        "archive.data_dir": data,
        "access.sign_in": "required",
        "web.demo": [{"login": one.login, "password": one.password, "role": one.role.value} for one in ACCOUNTS],
        "serve.port": port,
        "serve.workers": workers,
        "hl7.port": 0,
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
