"""`lamelle dicom`: asks peers named in the settings, sends to them, shows what waits for them."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lamelle.access.model import WHOLE
from lamelle.base.errors import NotFound
from lamelle.doors.dimse.settings import Peer
from lamelle.ops.config import Settings
from lamelle.ops.options import Data, File, settings_of

if TYPE_CHECKING:
    from lamelle.doors.dimse.asking import Ended
    from lamelle.doors.dimse.node import Node

dicom = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The DICOM network: ask peers, send to them.")

Aet = Annotated[str, typer.Argument(metavar="PEER", help="AE title of a peer (dimse.peers).")]
Level = Annotated[str, typer.Option(help="PATIENT, STUDY, SERIES or IMAGE.")]
Keys = Annotated[
    list[str] | None, typer.Argument(help="Keys: PatientName=Doe*, 00100020=1, or a bare name to be told.")
]
Study = Annotated[list[str] | None, typer.Option("--study", help="Study Instance UID; may stand several times.")]
Series = Annotated[list[str] | None, typer.Option("--series", help="Series Instance UID, too.")]
Instance = Annotated[list[str] | None, typer.Option("--instance", help="SOP Instance UID, too.")]
PatientRoot = Annotated[bool, typer.Option("--patient-root", help="Use the Patient Root model, not the Study Root.")]


@dicom.command()
def echo(peer: Aet, data: Data = None, file: File = None) -> None:
    """Ask a peer whether it is there."""
    from lamelle.doors.dimse import asking

    settings = settings_of(data, file)
    seconds = asking.echo(_peer(settings, peer), settings.dimse)
    typer.echo(f"{peer} answers in {1000 * seconds:.1f} ms")


@dicom.command()
def find(
    peer: Aet,
    keys: Keys = None,
    level: Level = "STUDY",
    patient_root: PatientRoot = False,
    fuzzy: Annotated[bool, typer.Option(help="Ask for fuzzy matching of names.")] = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Ask a peer what it has; one line a result, a column a key."""
    from pydicom.datadict import keyword_for_tag

    from lamelle.dicom import json
    from lamelle.doors.dimse import asking
    from lamelle.doors.dimse.identifiers import UNIQUE

    settings, rank = settings_of(data, file), _rank(level)
    asked = asking.keys_of(keys or [])
    asked.setdefault(UNIQUE[rank], {"vr": "LO" if level == "PATIENT" else "UI"})
    names = sorted(asked)
    table = Table(*(keyword_for_tag(tag) or tag for tag in names), box=None)
    for item in asking.find(_peer(settings, peer), settings.dimse, _root(patient_root), rank, asked, fuzzy=fuzzy):
        table.add_row(*("\\".join(json.texts(item, tag)) for tag in names))
    Console(width=None if Console().is_terminal else 400, markup=False, highlight=False).print(table)


@dicom.command()
def move(
    peer: Aet,
    to: Annotated[str, typer.Option(help="AE title that the peer shall send to.")],
    study: Study = None,
    series: Series = None,
    instance: Instance = None,
    patient_root: PatientRoot = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Have a peer send studies, series or instances to a third party."""
    from lamelle.doors.dimse import asking

    settings = settings_of(data, file)
    rank, keys = _names(study, series, instance)
    _follow(asking.move(_peer(settings, peer), settings.dimse, _root(patient_root), rank, keys, to))


@dicom.command()
def get(
    peer: Aet,
    study: Study = None,
    series: Series = None,
    instance: Instance = None,
    patient_root: PatientRoot = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Fetch studies, series or instances from a peer into this archive."""
    from lamelle.doors.dimse import asking

    settings = settings_of(data, file)
    rank, keys = _names(study, series, instance)
    with _node(settings) as node:
        _follow(asking.get(node, _peer(settings, peer), _root(patient_root), rank, keys))


@dicom.command()
def send(
    peer: Aet,
    study: Study = None,
    series: Series = None,
    instance: Instance = None,
    patient: Annotated[list[str] | None, typer.Option("--patient", help="Patient ID, too.")] = None,
    commit: Annotated[bool, typer.Option(help="Then ask the peer to commit to keep them.")] = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Send what this archive has to a peer, as it is stored."""
    from lamelle.archive import selection
    from lamelle.archive.commitment import Reference
    from lamelle.archive.selection import Wanted
    from lamelle.doors.dimse import asking, sending, visits

    settings = settings_of(data, file)
    wanted = Wanted(*(tuple(names or ()) for names in (patient, study, series, instance)))
    with _node(settings) as node:
        to, visit = _peer(settings, peer), visits.operator(node.note)
        chosen = selection.select(node.archive.db, visits.sent_to(WHOLE, to), wanted)
        if not len(chosen):
            raise NotFound("nothing_selected", "nothing in this archive has these names")
        results: Counter[str] = Counter()
        for sent in sending.each(node, to, visit, chosen.ids, chosen.kinds):
            results["sent" if sent.ok else "failed"] += 1
            if not sent.ok:
                typer.echo(f"{sent.sop_uid}: {sent.status:04X} {sent.reason}", err=True)
        typer.echo(", ".join(f"{count} {what}" for what, count in results.items()))
        if commit and not results["failed"]:
            refs = [ref for ref in selection.refs(node.archive.db, WHOLE, chosen.ids) if ref is not None]
            references = [Reference(ref.sop_class_uid, ref.sop_uid) for ref in refs]
            failed = asking.commit(node, to, references, 30.0)
            typer.echo("the peer will report later" if failed is None else f"{failed} not committed")
            results["failed"] += failed or 0
    if results["failed"]:
        raise typer.Exit(1)


@dicom.command()
def queue(
    retry: Annotated[bool, typer.Option("--retry", help="Try everything that waits again, now.")] = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Show what waits to be sent on (archive.forward), by destination."""
    from lamelle.archive import forwarding

    with _node(settings_of(data, file)) as node:
        if retry:
            typer.echo(f"{forwarding.retry(node.archive.db, node.archive.clock)} to be tried again")
        table = Table("to", "waiting", "dead", "since", "last reason", box=None)
        for line in forwarding.queue(node.archive.db):
            since = line.oldest.isoformat(timespec="seconds") if line.oldest else ""
            table.add_row(line.destination, str(line.waiting), str(line.dead), since, line.reason)
    Console(width=None if Console().is_terminal else 200, markup=False, highlight=False).print(table)


def _peer(settings: Settings, aet: str) -> Peer:
    """Raises: NotFound unknown_peer."""
    found = settings.dimse.peer(aet)
    if found is None:
        raise NotFound("unknown_peer", f"{aet} is none of dimse.peers")
    return found


def _root(patient_root: bool) -> str:
    from lamelle.doors.dimse import identifiers

    return identifiers.PATIENT_ROOT if patient_root else identifiers.STUDY_ROOT


def _rank(level: str) -> Any:
    from lamelle.doors.dimse.identifiers import Rank

    try:
        return Rank(level.upper())
    except ValueError as error:
        raise typer.BadParameter(f"{level} is none of PATIENT, STUDY, SERIES, IMAGE") from error


def _names(study: list[str] | None, series: list[str] | None, instance: list[str] | None) -> tuple[Any, dict[str, Any]]:
    """The level of what is named, and the names as keys."""
    from lamelle.doors.dimse.identifiers import UNIQUE, Rank

    given = {Rank.STUDY: study, Rank.SERIES: series, Rank.IMAGE: instance}
    keys = {UNIQUE[rank]: {"vr": "UI", "Value": names} for rank, names in given.items() if names}
    if not keys:
        raise typer.BadParameter("name a study, a series or an instance")
    return [rank for rank, names in given.items() if names][-1], keys


@contextmanager
def _node(settings: Settings) -> "Iterator[Node]":
    """The archive and what the network needs of it, for a command."""
    from lamelle.doors.dimse.node import Node
    from lamelle.ops import wiring

    archive = wiring.opened(settings)
    try:
        yield Node(archive, settings.dimse, audited=settings.audit.enabled)
    finally:
        archive.close()


def _follow(ended: "Iterable[Ended]") -> None:
    """Say how a retrieval ended."""
    last = deque(ended, maxlen=1)[0]
    typer.echo(f"{last.completed} completed, {last.warning} with warnings, {last.failed} failed {last.comment}".strip())
    for uid in last.failed_uids:
        typer.echo(f"failed: {uid}", err=True)
    if last.status:
        typer.echo(f"the peer ends with status {last.status:04X}", err=True)
        raise typer.Exit(1)
