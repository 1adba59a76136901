"""Store, search, frames, delete, rebuild, verify: the same through `lamelle serve` on any catalogue and store."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from lamelle.archive.reconcile import catalogue_fingerprint
from lamelle.base.db import Database
from lamelle.ops import config
from lamelle.testing import instances, postgres, swift
from lamelle.testing.client import Client
from lamelle.testing.node import Node

Environment = Mapping[str, str]
NO_RESERVE = {"LAMELLE_ARCHIVE_RESERVE_BYTES": "0"}
FRAMES = [bytes([255, 216, number]) + bytes(500 + 2 * number) + b"\xff\xd9\0" for number in range(9)]


def lamelle(command: str, data: Path, environment: Environment) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lamelle", command, "--data", str(data)],
        capture_output=True,
        text=True,
        env={**environment, "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
        timeout=120,
        check=False,
    )


def fingerprint(data: Path, environment: Environment) -> str:
    settings = config.load(environment=environment, overrides={"archive.data_dir": data})
    db = Database(settings.archive.database)
    try:
        return catalogue_fingerprint(db)
    finally:
        db.close()


def lose_catalogue(data: Path, environment: Environment) -> None:
    """What a broken disk does to SQLite; a new empty database for what a server keeps is the caller's work."""
    for path in data.glob("catalogue.sqlite3*"):
        path.unlink()


CACHE = Path(os.environ.get("LAMELLE_TEST_CACHE") or Path(__file__).parents[2] / ".cache")


@pytest.fixture(params=["sqlite", "postgresql", pytest.param("s3", marks=pytest.mark.slow)])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield dict(NO_RESERVE)
    elif request.param == "postgresql":
        yield {**NO_RESERVE, "LAMELLE_ARCHIVE_DATABASE_URL": postgres.new_database()}
    else:
        binaries = swift.installed(CACHE)
        if binaries is None:
            pytest.skip("OpenStack Swift can't be installed here")
        with swift.running(binaries, tmp_path / "swift") as server:
            swift.make_bucket(server, "slides")
            yield {
                **NO_RESERVE,
                "LAMELLE_ARCHIVE_BLOB_URL": "s3://slides/archive",
                "LAMELLE_ARCHIVE_S3_ENDPOINT": server.endpoint,
                "LAMELLE_ARCHIVE_S3_ACCESS_KEY": server.access_key,
                "LAMELLE_ARCHIVE_S3_SECRET_KEY": server.secret_key,
            }


def fill(client: Client) -> tuple[str, str, str]:
    """A slide, three CTs, a conflict, something unreadable, a deleted instance; where the slide is."""
    slide = instances.slide(FRAMES, "slide", PatientName="Zoë^Ana")
    stored = client.store(slide, *(instances.instance("ct", number=number) for number in (1, 2, 3)))
    assert (stored.status, len(stored.kept)) == (200, 4)
    assert client.store(slide).status == 200
    other = client.store(instances.instance("ct", number=1, PatientName="Other^One"))
    assert (other.status, other.failures) == (409, (0x0111,))
    broken = client.store(instances.instance("ct", number=9)[:-7], b"this is no DICOM")
    assert (broken.status, len(broken.failures)) == (409, 2)
    assert client.delete(*stored.kept[3]).status in (200, 204)
    assert client.instance(*stored.kept[3]).status == 410
    return stored.kept[0]


def check(client: Client, where: tuple[str, str, str]) -> None:
    """What anyone must find in the archive that `fill` filled."""
    found = client.get("/dicomweb/studies?PatientName=zoe*&includefield=00201208").json()
    assert [item["0020000D"]["Value"] for item in found] == [[where[0]]]
    counts = {
        item["0020000D"]["Value"][0]: item["00201208"]["Value"] for item in client.get("/dicomweb/studies").json()
    }
    assert sorted(counts.values()) == [[1], [2]]
    for number, frame in enumerate(FRAMES, 1):
        path = f"/dicomweb/studies/{where[0]}/series/{where[1]}/instances/{where[2]}/frames/{number}"
        answer = client.get(path, "multipart/related; type=*/*; transfer-syntax=*")
        assert (answer.status, frame.rstrip(b"\0") in answer.body) == (200, True)
    assert instances.slide(FRAMES, "slide", PatientName="Zoë^Ana") in client.instance(*where).body
    assert client.get("/health").status == 200


def test_the_core_on_each_catalogue_and_store(environment: dict[str, str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Node(data, environment=environment) as node, Client(node.url) as client:
        where = fill(client)
        check(client, where)
        assert lamelle("rebuild", data, environment).returncode == 1, "not while it is served"
        assert node.stop() == 0
    before = fingerprint(data, environment)
    verified = lamelle("verify", data, environment)
    assert (verified.returncode, "sound" in verified.stdout) == (0, True), verified
    lose_catalogue(data, environment)
    if "LAMELLE_ARCHIVE_DATABASE_URL" in environment:
        environment["LAMELLE_ARCHIVE_DATABASE_URL"] = postgres.new_database()
    rebuilt = lamelle("rebuild", data, environment)
    assert rebuilt.returncode == 0, rebuilt
    assert fingerprint(data, environment) == before
    with Node(data, environment=environment) as node, Client(node.url) as client:
        check(client, where)
        assert client.store(instances.instance("ct", number=3)).status == 200, "stored again, it is back"
        assert client.store(instances.instance("ct", number=1, PatientName="Other^One")).status == 409


# -- what verify finds -------------------------------------------------------------------------------------------------


def rewrite(path: Path, change: Callable[[bytearray], object]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.chmod(0o600)
    path.write_bytes(content)


def flip(at: int) -> Callable[[bytearray], None]:
    def change(content: bytearray) -> None:
        content[at] ^= 1

    return change


def test_verify_names_what_is_wrong(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Node(data, workers=1, environment=NO_RESERVE) as node, Client(node.url) as client:
        fill(client)
        assert client.store(*(instances.instance("more", number=number) for number in range(3))).status == 200
    blobs = data / "blobs"
    orphan = blobs / "instances/00/00" / f"{'0' * 64}.dcm"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(instances.instance("orphan"))
    harmless = lamelle("verify", data, NO_RESERVE)
    assert harmless.stdout.splitlines()[0] == f"orphaned: {orphan.relative_to(blobs)}"
    assert harmless.returncode == 0, "what nobody was promised is no loss"

    buried = {json.loads(note.read_text())["key"] for note in (blobs / "tombstones").iterdir()}
    kept = [path for path in sorted((blobs / "instances").rglob("*.dcm")) if path != orphan]
    pixel, preamble, short, gone, *_ = [path for path in kept if str(path.relative_to(blobs)) not in buried]
    aside_gone, aside_altered, *_ = sorted((blobs / "aside").rglob("*.dcm"))
    rewrite(pixel, flip(-20))
    rewrite(preamble, flip(5))
    rewrite(short, bytearray.pop)
    rewrite(aside_altered, flip(7))
    gone.unlink()
    aside_gone.unlink()
    said = lamelle("verify", data, NO_RESERVE)
    expected = {f"altered: {path.relative_to(blobs)}" for path in (pixel, preamble, short, aside_altered)}
    expected |= {f"missing: {path.relative_to(blobs)}" for path in (gone, aside_gone)} | {
        harmless.stdout.splitlines()[0]
    }
    assert set(said.stdout.splitlines()[:-1]) == expected
    assert said.returncode == 1
