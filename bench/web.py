"""A plain HTTP client for measuring: one connection, any method, multipart bodies streamed from files."""

import http.client
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BOUNDARY = b"lamelle-bench"


class Client:
    """One kept-alive connection to a server's DICOMweb root."""

    def __init__(self, root: str, timeout_s: float = 600) -> None:
        parts = urlsplit(root)
        assert parts.hostname is not None
        self.prefix = parts.path.rstrip("/")
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)

    def get(self, path: str, accept: str = "application/dicom+json") -> tuple[int, bytes]:
        self._connection.request("GET", self.prefix + path, headers={"Accept": accept})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def json(self, path: str) -> Any:
        status, body = self.get(path)
        assert status in (200, 204), (status, body[:200])
        return json.loads(body) if body else []

    def store(self, files: Iterable[Path | bytes]) -> int:
        """STOW-RS of files, streamed; returns the status."""
        items = list(files)
        size = sum(_length(item) for item in items) + len(items) * len(_head()) + len(_tail())
        kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY.decode()}'
        headers = {"Content-Type": kind, "Content-Length": str(size), "Accept": "application/dicom+json"}
        self._connection.request("POST", self.prefix + "/studies", body=_body(items), headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


def _head() -> bytes:
    return b"\r\n--" + BOUNDARY + b"\r\nContent-Type: application/dicom\r\n\r\n"


def _tail() -> bytes:
    return b"\r\n--" + BOUNDARY + b"--\r\n"


def _length(item: Path | bytes) -> int:
    return item.stat().st_size if isinstance(item, Path) else len(item)


def _body(items: list[Path | bytes]) -> Iterator[bytes]:
    for item in items:
        yield _head()
        if isinstance(item, bytes):
            yield item
        else:
            with item.open("rb") as file:
                while chunk := file.read(1 << 20):
                    yield chunk
    yield _tail()


def until(answers: Any, seconds: float = 60, alive: Any = lambda: True) -> None:
    """Waits until `answers()` is true. Raises: RuntimeError when `alive()` is not, or after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if answers():
                return
        except OSError:
            pass
        if not alive():
            break
        time.sleep(0.1)
    raise RuntimeError("the server did not start")
