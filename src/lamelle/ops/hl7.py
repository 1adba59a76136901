"""`lamelle hl7`: the messages exchanged with laboratory systems: list, show, replay, resend, send."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from lamelle.access.model import WHOLE
from lamelle.base.errors import NotFound
from lamelle.ops.config import Settings
from lamelle.ops.options import Data, File, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamelle.doors.hl7.room import Exchange
    from lamelle.doors.hl7.settings import Peer

hl7 = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="HL7 messages: list, show, do and send again.")

Number = Annotated[int, typer.Argument(metavar="MESSAGE", help="Its number, as `lamelle hl7 list` shows it.")]


@hl7.command(name="list")
def list_(
    state: Annotated[str, typer.Option(help="received, done, error, rejected, waiting, sent or dead.")] = "",
    peer: Annotated[str, typer.Option(help="With this peer.")] = "",
    accession: Annotated[str, typer.Option(help="Of cases whose accession number begins so.")] = "",
    limit: Annotated[int, typer.Option(help="How many, the newest first.")] = 50,
    data: Data = None,
    file: File = None,
) -> None:
    """List messages, the newest first; no patient is named."""
    from lamelle.lab import messages
    from lamelle.lab.messages import Asked
    from lamelle.ops import wiring

    asked = Asked(state=state, peer=peer, q=accession, limit=limit)
    with wiring.laboratory(settings_of(data, file)) as lab, lab.db.read() as conn:
        rows, total = messages.listed(conn, WHOLE, asked)
    table = Table("message", "at", "", "peer", "kind", "control", "state", "code", box=None)
    for row in rows:
        at = row.received_at.isoformat(timespec="seconds")
        table.add_row(
            str(row.id), at, row.direction, row.peer, row.kind, row.control, row.state, row.code or row.reason
        )
    Console(width=None if sys.stdout.isatty() else 200, markup=False, highlight=False).print(table)
    typer.echo(f"{len(rows)} of {total}")


@hl7.command()
def show(message: Number, data: Data = None, file: File = None) -> None:
    """Show a message as it came or went, one segment a line, and what was answered: patients are named in it."""
    from lamelle.doors import er7
    from lamelle.lab import messages
    from lamelle.ops import wiring

    with wiring.laboratory(settings_of(data, file)) as lab, lab.db.read() as conn:
        row = messages.one(conn, WHOLE, message)
    said = er7.decoded(row.raw) if row.purged_at is None else f"removed on {row.purged_at:%Y-%m-%d} (hl7.keep_days)"
    for title, text in (
        (f"{row.direction} {row.peer} {row.state} {row.code} {row.reason}".strip(), said),
        ("repaired", row.repaired or ""),
        ("answer", er7.decoded(row.answer or b"")),
    ):
        if text:
            typer.echo(f"-- {title}")
            typer.echo("\n".join(er7.LINE_ENDS.split(text)).rstrip())


@hl7.command()
def replay(message: Number, data: Data = None, file: File = None) -> None:
    """Do again what a message says that came; the running node does it."""
    from lamelle.access.room import SYSTEM
    from lamelle.lab import messages
    from lamelle.ops import wiring

    with wiring.laboratory(settings_of(data, file)) as lab:
        messages.replay(lab, WHOLE, SYSTEM, message)
    typer.echo(f"message {message} will be done again")


@hl7.command()
def resend(message: Number, data: Data = None, file: File = None) -> None:
    """Send a message of ours again; the running node does it."""
    from lamelle.access.room import SYSTEM
    from lamelle.lab import messages
    from lamelle.ops import wiring

    with wiring.laboratory(settings_of(data, file)) as lab:
        messages.resend(lab, WHOLE, SYSTEM, message)
    typer.echo(f"message {message} will be sent again")


@hl7.command()
def send(
    files: Annotated[list[Path], typer.Argument(help="Files of messages; several may stand in one.", exists=True)],
    to: Annotated[str, typer.Option(help="A peer of hl7.peers, or HOST:PORT.")],
    data: Data = None,
    file: File = None,
) -> None:
    """Send messages from files over MLLP and print how each was answered; to try a connection."""
    from lamelle.doors import er7
    from lamelle.doors.hl7 import queue, taking

    settings, failed = settings_of(data, file), False
    with _exchange(settings) as exchange:
        peer = _peer(settings, to)
        for path in files:
            for text in er7.each(er7.decoded(path.read_bytes())):
                message = er7.parse(text)
                answer = queue.try_once(exchange, peer, er7.encoded(message, exchange.dialect(peer).charset))
                refused = taking.refusal(er7.parse(er7.decoded(answer)))
                failed = failed or bool(refused)
                typer.echo(f"{path.name} {message.kind} {message.control}: {refused or 'accepted'}")
    if failed:
        raise typer.Exit(1)


def _peer(settings: Settings, to: str) -> "Peer":
    """Raises: NotFound unknown_peer."""
    from lamelle.doors.hl7.settings import Peer

    host, colon, port = to.rpartition(":")
    found = settings.hl7.peer(to)
    if found is None and colon and port.isdigit():
        found = Peer(to, host=host, port=int(port))
    if found is None:
        raise NotFound("unknown_peer", f"{to} is none of hl7.peers, and no HOST:PORT")
    return found


@contextmanager
def _exchange(settings: Settings) -> "Iterator[Exchange]":
    from lamelle.ops import wiring

    archive = wiring.opened(settings)
    try:
        yield wiring.exchange_of(archive, settings)
    finally:
        archive.close()
