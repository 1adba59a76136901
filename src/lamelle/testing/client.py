"""A plain HTTP client of a node, for tests that come through the real doors: standard library only, nothing hidden."""

import http.client
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

ANY_SYNTAX = "application/dicom; transfer-syntax=*"
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The error code of a problem, None for anything else."""
        if self.headers.get("content-type", "").startswith("application/problem+json"):
            return str(self.json()["code"])
        return None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a STOW-RS answer says: the (study, series, SOP) UIDs that are kept, the failure reasons of the others."""

    status: int
    kept: tuple[tuple[str, str, str], ...]
    failures: tuple[int, ...]
    comments: tuple[str, ...]
    answer: Answer


class Client:
    """One connection to a node, opened again when the node closed it; not for several threads.

    `headers` go with every request: who asks, above all.
    """

    def __init__(self, url: str, timeout_s: float = 60.0, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout_s)
        self.headers = dict(headers)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """One request and its whole answer; an iterable body is sent chunked."""
        try:
            self._connection.request(method, path, body, self.headers | dict(headers or {}))
            answer = self._connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        except BaseException:
            self._connection.close()
            raise

    def get(self, path: str, accept: str = "*/*", **headers: str) -> Answer:
        return self.ask("GET", path, {"Accept": accept, **headers})

    def store(self, *files: bytes, study: str = "") -> Stored:
        """Send Part 10 files by STOW-RS in one request."""
        kind, pieces = related(files)
        path = f"/dicomweb/studies/{study}".rstrip("/")
        headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
        return stored(self.ask("POST", path, headers, b"".join(pieces)))

    def instance(self, study: str, series: str, sop: str) -> Answer:
        """The file of an instance as it is kept, whatever its transfer syntax."""
        return self.get(f"/dicomweb/studies/{study}/series/{series}/instances/{sop}", ANY_SYNTAX)

    def delete(self, study: str, series: str = "", sop: str = "") -> Answer:
        path = f"/dicomweb/studies/{study}" + (f"/series/{series}" if series else "")
        return self.ask("DELETE", path + (f"/instances/{sop}" if sop else ""))


def related(files: Sequence[bytes]) -> tuple[str, Iterable[bytes]]:
    """The media type and the pieces of a multipart/related body of DICOM files."""
    boundary = uuid.uuid4().hex
    pieces: list[bytes] = []
    for file in files:
        pieces += [f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode(), file, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return f'multipart/related; type="application/dicom"; boundary={boundary}', pieces


def stored(answer: Answer) -> Stored:
    """Read a STOW-RS answer. Source: PS3.18 I.2.2."""
    said = answer.json() if answer.headers.get("content-type") == "application/dicom+json" else {}
    kept = []
    for item in said.get("00081199", {}).get("Value", ()):
        parts = item["00081190"]["Value"][0].rsplit("/", 6)
        kept.append((parts[-5], parts[-3], parts[-1]))
    failed = [item for tag in ("00081198", "0008119A") for item in said.get(tag, {}).get("Value", ())]
    reasons = tuple(item["00081197"]["Value"][0] for item in failed)
    comments = tuple(item["00000902"]["Value"][0] for item in failed)
    return Stored(answer.status, tuple(kept), reasons, comments, answer)
