"""The doctor finds what is wrong, and says what to do."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from lamelle.archive import grams
from lamelle.base.db import Database
from lamelle.ops import config, doctor
from lamelle.ops.config import Settings


def settings(folder: Path, **more: object) -> Settings:
    named = {name.replace("__", "."): value for name, value in more.items()}
    return config.load(None, {}, {"archive.data_dir": folder, "serve.port": 0, **named})


def test_a_sound_machine_has_no_problem(tmp_path: Path) -> None:
    found = list(doctor.examine(settings(tmp_path / "data", archive__reserve_bytes=0)))
    assert [finding for finding in found if finding.status == "problem"] == []
    assert {"python", "openslide", "codecs", "database", "port", "durable writes"} <= {f.name for f in found}
    assert all(finding.advice for finding in found if finding.status == "advice")


def test_a_folder_that_cannot_be_written_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = {finding.name: finding for finding in doctor.examine(settings(tmp_path / "file" / "data"))}
    assert found["data_folder"].status == "problem"
    assert found["port"].status == "ok"


def test_a_taken_port_and_an_open_address_are_problems(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = {f.name: f for f in doctor.examine(settings(tmp_path, serve__port=port))}
        assert found["port"].status == "problem"
    found = {f.name: f for f in doctor.examine(settings(tmp_path, serve__host="0.0.0.0"))}
    assert found["loopback"].status == "problem"


def test_a_full_disk_is_a_problem(tmp_path: Path) -> None:
    found = {f.name: f for f in doctor.examine(settings(tmp_path, archive__reserve_bytes=1 << 60))}
    assert found["space"].status == "problem"


def test_sqlite_on_a_network_share_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "kind_of", lambda folder: "nfs4")
    found = {f.name: f for f in doctor.examine(settings(tmp_path))}
    assert found["file system"].status == "problem"


def test_a_catalogue_without_name_pieces_is_told_how_to_get_them(tmp_path: Path, catalogue_url: str) -> None:
    if not catalogue_url.startswith("postgresql"):
        pytest.skip("SQLite has its own")
    plain = settings(tmp_path)
    asked = replace(plain, archive=replace(plain.archive, database_url=catalogue_url))
    assert doctor.database(asked).status == "ok"
    db = Database(catalogue_url)
    with db.write() as conn:
        conn.exec_driver_sql(f"DROP INDEX {grams.INDEX}")
    found = doctor.database(asked)
    assert found.status == "advice" and grams.MAKE in found.advice
    with db.write() as conn:
        conn.exec_driver_sql(grams.MAKE)
    db.close()
    assert doctor.database(asked).status == "ok"
