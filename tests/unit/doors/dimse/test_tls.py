"""TLS by BCP 195: what is spoken, what is refused, and that a silent handshake keeps nobody out."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lamelle.base import tls
from lamelle.base.errors import Denied, Invalid, LamelleError
from lamelle.doors.dimse.association import connect
from lamelle.doors.dimse.commands import C_ECHO, Command
from lamelle.doors.dimse.negotiation import Proposal
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.doors.dimse.storage import VERIFICATION
from lamelle.testing import dimse, instances
from lamelle.testing.dimse import Authority, running

DCMTK = Path("/usr/bin/echoscu")
ECHO = Proposal(VERIFICATION, ("1.2.840.10008.1.2",))


@dataclass(frozen=True)
class Site:
    """A port with TLS, its authority, and one that nobody knows."""

    port: int
    authority: Authority
    stranger: Authority


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tls")
    authority, stranger = Authority(folder / "ours"), Authority(folder / "other")
    with running(folder, secured(authority, "server")) as (_, port, _server):
        yield Site(port, authority, stranger)


def secured(authority: Authority, name: str, trusted: Authority | None = None) -> DimseSettings:
    """Settings of someone with a certificate of that authority."""
    cert, key = authority.issue(name)
    return DimseSettings(
        acse_timeout_s=5, tls_cert=str(cert), tls_key=str(key), tls_ca=str((trusted or authority).certificate)
    )


def echo(site: Site, settings: DimseSettings, *, secure: bool = True) -> int | None:
    with connect(Peer("LAMELLE", "localhost", site.port, tls=secure), [ECHO], settings) as association:
        association.send(1, Command(C_ECHO, 1, affected_sop_class_uid=VERIFICATION))
        answer = association.receive()
        assert answer is not None
        return answer.command.status


def test_with_certificates_on_both_sides(site: Site) -> None:
    assert echo(site, secured(site.authority, "client")) == 0


def test_a_title_is_proved_by_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    scanner = Peer("SCANNER", certificate="scanner1")
    with running(tmp_path, replace(secured(authority, "server"), peers=(scanner,))) as (_, port, _server):
        here = Site(port, authority, authority)
        assert echo(here, replace(secured(authority, "scanner1"), aet="SCANNER")) == 0
        with pytest.raises(Denied, match="refuses"):
            echo(here, replace(secured(authority, "scanner2"), aet="SCANNER"))


def test_large_data_sets_pass(site: Site) -> None:
    content = instances.instance(Rows=2000, Columns=1000, PixelData=bytes(range(250)) * 16_000)
    item = dimse.read(content)
    settings = secured(site.authority, "client")
    with dimse.opened(site.port, [item], settings=settings, tls=True, host="localhost") as association:
        assert dimse.store(association, item).status == 0


def test_a_client_of_another_authority_is_refused(site: Site) -> None:
    with pytest.raises(LamelleError):
        echo(site, secured(site.stranger, "client", trusted=site.authority))


def test_a_client_without_certificate_is_refused(site: Site) -> None:
    with pytest.raises(LamelleError):
        echo(site, DimseSettings(acse_timeout_s=5, tls_ca=str(site.authority.certificate)))


def test_a_server_of_another_authority_is_refused_by_us(site: Site) -> None:
    with pytest.raises(LamelleError, match="TLS"):
        echo(site, secured(site.authority, "client", trusted=site.stranger))


def test_a_client_without_tls_is_refused(site: Site) -> None:
    with pytest.raises(LamelleError):
        echo(site, DimseSettings(acse_timeout_s=5), secure=False)


def test_a_certificate_is_optional_when_asked_so(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    with running(tmp_path, replace(secured(authority, "server"), tls_require_client=False)) as (_, port, _server):
        asking = DimseSettings(acse_timeout_s=5, tls_ca=str(authority.certificate))
        assert echo(Site(port, authority, authority), asking) == 0


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(site: Site, version: str) -> None:
    said = _openssl(site, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in said or "no protocols available" in said


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"])
def test_weak_suites_are_refused(site: Site, cipher: str) -> None:
    assert "Cipher is (NONE)" in _openssl(site, "-tls1_2", "-cipher", cipher)


@pytest.mark.parametrize("arguments", [("-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"), ("-tls1_3",)])
def test_good_versions_and_suites_are_spoken(site: Site, arguments: tuple[str, ...]) -> None:
    assert "Verify return code: 0" in _openssl(site, *arguments)


@pytest.mark.skipif(not DCMTK.exists(), reason="DCMTK is not installed")
@pytest.mark.parametrize("known", [True, False])
def test_dcmtk_echoes_with_tls(site: Site, known: bool) -> None:
    cert, key = (site.authority if known else site.stranger).issue("client")
    command = [DCMTK, "+tls", key, cert, "+cf", site.authority.certificate, "-aec", "LAMELLE", "localhost", site.port]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode == 0) is known, done.stdout + done.stderr


def test_who_never_shakes_hands_keeps_nobody_out(site: Site) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", site.port), 5))
        assert echo(site, secured(site.authority, "client")) == 0


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    for settings in (
        DimseSettings(tls_cert=str(tmp_path / "bad.pem")),
        DimseSettings(tls_cert=str(tmp_path / "missing.pem")),
    ):
        with pytest.raises(Invalid, match="PEM"):
            tls.server_context(settings.certificates)


def test_the_context_asks_for_what_the_profile_asks_for(site: Site) -> None:
    context = tls.server_context(secured(site.authority, "server").certificates)
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    names = [suite["name"] for suite in context.get_ciphers()]
    assert all(name.startswith(("TLS_", "ECDHE-")) and ("GCM" in name or "CHACHA20" in name) for name in names)


def _openssl(site: Site, *arguments: str) -> str:
    cert, key = site.authority.issue("client")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-cert", str(cert), "-key", str(key)]
    command += ["-CAfile", str(site.authority.certificate), *arguments]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr
