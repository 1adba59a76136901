"""An application on an archive of its own for each test, and one real server for the clients others wrote."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import LamelleError
from lamelle.doors import http
from lamelle.doors.dicomweb.frames import FramesFastPath
from lamelle.doors.dicomweb.routes import mount
from lamelle.doors.dicomweb.settings import DicomwebSettings
from lamelle.testing.archives import SetClock
from lamelle.testing.guarded import open_to_all

HERE = Path(__file__).parent


def application(archive: Archive, settings: DicomwebSettings | None = None) -> ASGIApp:
    """The door alone, as the node mounts it."""
    routes = [mount(archive, settings)]
    app = Starlette(routes=routes, exception_handlers={LamelleError: http.answer_error})
    return open_to_all(FramesFastPath(app, archive, settings))


class Client:
    """Requests to an application in this process, one after the other."""

    def __init__(self, app: ASGIApp, base: str = "http://archive.test/dicomweb") -> None:
        self._app, self._base = app, base

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.request("GET", path, headers=headers)

    def post(
        self, path: str, content: bytes | Iterator[bytes], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return self.request("POST", path, content, headers)

    def request(
        self,
        method: str,
        path: str,
        content: bytes | Iterator[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """`path` below the base, or a whole URL. Without an Accept header unless one is given."""
        url = path if path.startswith("http") else self._base + path

        async def chunks(iterator: Iterator[bytes]) -> AsyncIterator[bytes]:
            for chunk in iterator:
                yield chunk

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app)) as client:
                client.headers.pop("accept", None)
                client.headers.pop("accept-encoding", None)
                body = content if isinstance(content, bytes) else chunks(content)
                return await client.request(method, url, content=body, headers=dict(headers or {}))

        return asyncio.run(send())


@pytest.fixture
def archive(tmp_path: Path, catalogue_url: str) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), SetClock())
    yield opened
    opened.close()


@pytest.fixture
def client(archive: Archive) -> Client:
    return Client(application(archive))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real server with two workers; it ends with the tests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "LAMELLE_TEST_DATA": str(tmp_path_factory.mktemp("server"))}
    command = [sys.executable, str(HERE / "server.py"), str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    heard = []
    for line in process.stdout:
        heard.append(line)
        if line.startswith("serving"):
            break
    else:
        pytest.fail("the server did not start:\n" + "".join(heard))
    yield f"http://127.0.0.1:{port}/dicomweb"
    process.terminate()
    process.wait(20)
    process.stdout.close()
