"""HTTPS by setting: what a node speaks, what it refuses to speak, and what it says when its certificate is no good."""

import http.client
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lamelle.base.errors import Invalid
from lamelle.ops import answering, config
from lamelle.ops.config import ServeSettings
from lamelle.testing.dimse import Authority
from lamelle.testing.node import Node


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def node(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    cert, key = map(str, authority.issue("node"))
    given = {"LAMELLE_SERVE_TLS_CERT": cert, "LAMELLE_SERVE_TLS_KEY": key}
    with Node(tmp_path_factory.mktemp("node") / "data", workers=1, environment=given) as opened:
        yield opened


def client(authority: Authority, **limits: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.set_alpn_protocols(["h2", "http/1.1"])
    for name, version in limits.items():
        setattr(context, name, version)
    return context


def place(node: Node) -> tuple[str, int]:
    host, _, port = node.url.removeprefix("https://").partition(":")
    return host, int(port)


def test_https_is_spoken_and_browsers_are_told_to_stay_there(node: Node, authority: Authority) -> None:
    assert node.url.startswith("https://")
    connection = http.client.HTTPSConnection(*place(node), timeout=20, context=client(authority))
    for path in ("/health", "/", "/dicomweb/studies"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert isinstance(connection.sock, ssl.SSLSocket)
    assert connection.sock.version() == "TLSv1.3"
    assert connection.sock.selected_alpn_protocol() == "http/1.1"
    connection.close()


def test_version_1_2_with_forward_secrecy_is_the_oldest(node: Node, authority: Authority) -> None:
    old = client(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    with socket.create_connection(place(node), 20) as sock, old.wrap_socket(sock, server_hostname="localhost") as said:
        chosen = said.cipher()
        assert said.version() == "TLSv1.2"
        assert chosen is not None and chosen[0].startswith("ECDHE-") and said.compression() is None
    old.set_ciphers("AES128-SHA256:AES256-GCM-SHA384")
    with socket.create_connection(place(node), 20) as sock, pytest.raises(ssl.SSLError):
        old.wrap_socket(sock, server_hostname="localhost")
    with pytest.warns(DeprecationWarning):
        ancient = client(authority, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    ancient.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(place(node), 20) as sock, pytest.raises((ssl.SSLError, ConnectionResetError)):
        ancient.wrap_socket(sock, server_hostname="localhost")


def test_plain_http_is_not_answered_there(node: Node) -> None:
    with socket.create_connection(place(node), 20) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            said = sock.recv(100)
        except ConnectionResetError:
            said = b""
    assert not said.startswith(b"HTTP/")


@pytest.mark.parametrize("bad", ["missing", "no PEM", "another's key"])
def test_a_bad_certificate_is_one_sentence(bad: str, authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("one")
    _, other = authority.issue("other")
    (tmp_path / "no.pem").write_text("no")
    given = {
        "missing": ServeSettings(tls_cert="/nowhere.pem"),
        "no PEM": ServeSettings(tls_cert=str(tmp_path / "no.pem")),
        "another's key": ServeSettings(tls_cert=str(cert), tls_key=str(other)),
    }[bad]
    with pytest.raises(Invalid) as caught:
        answering.secure(given)
    assert caught.value.code == "bad_certificate" and "serve.tls_cert" in caught.value.message
    assert answering.secure(replace(given, tls_cert=str(cert), tls_key=str(key))) is not None
    assert answering.secure(ServeSettings()) is None


def test_a_key_without_a_certificate_is_a_mistake() -> None:
    with pytest.raises(Invalid, match="tls_key"):
        config.load(environment={**os.environ, "LAMELLE_SERVE_TLS_KEY": "/key.pem"})
