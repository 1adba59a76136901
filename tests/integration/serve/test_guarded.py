"""A node where people sign in, over its socket: the short way keeps to who may see what, and the ledger to what was."""

import contextlib
import socket
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from lamelle.access import places, tokens
from lamelle.access.model import Role
from lamelle.access.settings import AccessSettings
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.audit import search
from lamelle.audit.search import Wanted
from lamelle.base.ids import uid_from
from lamelle.ops import wiring
from lamelle.ops.config import Settings
from lamelle.testing import instances, pictures
from lamelle.testing.archives import stored
from lamelle.testing.node import Node
from lamelle.testing.pictures import SlideShape

STUDY = uid_from("study", "one")
TILE = f"/api/slides/{uid_from('series', 'one', 'he')}/levels/0/tiles/0/0"
REVOKED_S = 10.0


@dataclass
class Talk:
    """One connection of a client that sends the same lines with every request."""

    node: Node
    token: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.node.url)
        self._socket = socket.create_connection((parts.hostname, parts.port), 30)
        self._stream = self._socket.makefile("rb")

    def get(self, path: str) -> tuple[bytes, bytes]:
        """Head and body as they came."""
        lines = f"GET {path} HTTP/1.1\r\nhost: node\r\nauthorization: Bearer {self.token}\r\n\r\n"
        self._socket.sendall(lines.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._stream.readline()
        size = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return head, self._stream.read(size)

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


def is_short(head: bytes) -> bool:
    """Whether the short way gave this answer: it says the request's id before all else."""
    return head.startswith(b"HTTP/1.1 200 ") and head.split(b"\r\n")[2].startswith(b"x-request-id")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    data = tmp_path_factory.mktemp("guarded") / "data"
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0))
    stored(archive, pictures.slide("one", "he", SlideShape(600, 400), PatientID="PAT-1"))
    with archive.db.write() as conn:
        places.add(conn, "establishment", "Elsewhere")
    archive.close()
    with Node(data, workers=1, sign_in=True) as running:
        yield running


def test_the_short_way_gives_tiles_to_who_may_see_them(node: Node) -> None:
    mine = Talk(node, node.token("mine", Role.PATHOLOGIST))
    other = Talk(node, node.token("other", Role.PATHOLOGIST, place=2))
    first = mine.get(TILE)
    assert not is_short(first[0])  # it was entered in the ledger first
    again = next(found for found in (mine.get(TILE) for _ in range(50)) if is_short(found[0]))
    assert again[1] == first[1] and first[1].startswith(b"\xff\xd8")
    third = Talk(node, node.token("third", Role.PATHOLOGIST))
    third.get("/api/roles")  # who asks is known now, the tile lies in memory, and the view is not entered
    assert not is_short(third.get(TILE)[0])
    third.close()
    for _ in range(3):
        assert other.get(TILE)[0].startswith(b"HTTP/1.1 404 ")
    mine.close()
    other.close()
    nobody = Talk(node, "lml_guessed")
    assert nobody.get(TILE)[0].startswith(b"HTTP/1.1 401 ")
    nobody.close()


def test_a_token_that_is_revoked_opens_nothing_a_second_later(node: Node) -> None:
    secret = node.token("revoked", Role.PATHOLOGIST)
    talk = Talk(node, secret)
    assert any(is_short(talk.get(TILE)[0]) for _ in range(50))
    archive = Archive.open(ArchiveSettings(node.data_dir))
    with archive.db.write() as conn:
        found = tokens.find(conn, secret, archive.clock.now())
        assert found is not None
        tokens.revoke(conn, found.id, archive.clock.now())
    archive.close()
    since = time.monotonic()
    while talk.get(TILE)[0].startswith(b"HTTP/1.1 200 "):
        assert time.monotonic() - since < REVOKED_S
    assert time.monotonic() - since < AccessSettings().fresh_s + 1.0
    assert talk.get(TILE)[0].startswith(b"HTTP/1.1 401 ")
    talk.close()


def test_what_was_answered_is_in_the_ledger_after_a_kill(tmp_path: Path) -> None:
    archive = Archive.open(ArchiveSettings(tmp_path / "data", reserve_bytes=0))
    stored(archive, pictures.slide("one", "he", SlideShape(600, 400), PatientID="PAT-1"))
    archive.close()
    with Node(tmp_path / "data", workers=1, sign_in=True) as node:
        viewer, device = node.token("viewer", Role.RESIDENT), node.token("device", Role.DEVICE)
        node.get(TILE, token=viewer)
        node.get("/dicomweb/studies?PatientID=PAT-1", token=viewer)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            node.get(f"/dicomweb/studies/{STUDY}", token=viewer)
        node.get(f"/dicomweb/studies/{STUDY}", token=device)
        kind = {"content-type": "application/dicom", "authorization": f"Bearer {device}"}
        kept = httpx.post(f"{node.url}/dicomweb/studies", content=instances.instance("new", "s", 1), headers=kind)
        assert kept.status_code == 200
        _kill(node)
    settings = Settings(archive=ArchiveSettings(tmp_path / "data", reserve_bytes=0))
    archive = Archive.open(settings.archive)
    audit = wiring.audit(archive, settings)
    audit.seal(audit.key)
    with archive.db.read() as conn:
        found = [one.entry for one in search.search(conn, Wanted(), limit=100)]
    archive.close()
    told = {(one.actor, one.action, one.outcome, one.study_uid, one.patient_id) for one in found}
    assert told >= {
        ("viewer", "view", "success", STUDY, "PAT-1"),
        ("viewer", "search", "success", "", ""),
        ("viewer", "export", "refused", "", ""),
        ("device", "retrieve", "success", STUDY, "PAT-1"),
        ("device", "store", "success", uid_from("study", "new"), "Pnew"),
    }
    searched = next(one for one in found if one.action == "search")
    assert searched.detail["keys"] == {"PatientID": "PAT-1"}
    assert (searched.address, searched.purpose) == ("127.0.0.1", "care") and searched.session.startswith("token:")


def _kill(node: Node) -> None:
    """Kill all its processes, the parent first so that it starts none again."""
    parent = psutil.Process(node.process.pid)
    for process in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    node.process.wait()
