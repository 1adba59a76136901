"""Requests made from the OpenAPI description, right and wrong ones, with and without a token (schemathesis).

The same ones each time: derandomized, a few for each operation, over a real node where everybody must sign in.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from lamelle.access.model import Role
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.ops.routes import PAGES
from lamelle.testing import pictures
from lamelle.testing.archives import stored
from lamelle.testing.node import Node
from lamelle.testing.pictures import SlideShape

Ask = Callable[[Any], Any]


@schemathesis.serializer("application/pdf", "image/jpeg")
def bare(context: Any, value: Any) -> bytes:
    """A body that is no JSON: what was made for it, as it is."""
    return value if isinstance(value, bytes) else str(value).encode()


EXAMPLES: Final = 3
HOLDS: Final = (
    "not_a_server_error",
    "content_type_conformance",
    "response_schema_conformance",
    "status_code_conformance",
)
OPEN: Final = frozenset({"GET /api/openapi.json", "GET /api/session", "POST /api/session"})
MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
SPARING: Final = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Site:
    """A node, its operations as it describes them, and somebody who may do nearly everything."""

    url: str
    operations: list[Any]
    node: Node


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("openapi") / "data"
    archive = Archive.open(ArchiveSettings(folder, reserve_bytes=0))
    stored(archive, pictures.slide("one", "he", SlideShape(300, 200)))
    archive.close()
    with Node(folder, workers=1, sign_in=True) as node:
        url = f"{node.url.replace('localhost', '127.0.0.1')}/api"
        described = requests.get(f"{url}/openapi.json", timeout=20).json()
        schema = schemathesis.openapi.from_dict(described)
        found: list[Any] = list(schema.get_all_operations())
        yield Site(url, [one.ok() for one in found], node)


def test_every_operation_is_described(site: Site) -> None:
    described = {f"{operation.method.upper()} /api{operation.path}" for operation in site.operations}
    routes = {route for route in PAGES if " /api/" in route and "/tiles/" not in route}
    assert routes - described - OPEN == set()


@pytest.mark.parametrize("mode", MODES, ids=["right", "wrong"])
def test_with_a_token_no_request_breaks_the_server_or_the_description(site: Site, mode: GenerationMode) -> None:
    broken: dict[str, str] = {}
    checks = CHECKS.get_by_names(list(HOLDS))
    for number, operation in enumerate(site.operations):
        if mode is GenerationMode.NEGATIVE and not _fillable(operation):
            continue
        token = site.node.token(f"{mode.value}{number}", Role.ADMINISTRATOR, Role.PATHOLOGIST, Role.PROTECTION_OFFICER)
        ask = partial(_asked, site.url, {"authorization": f"Bearer {token}"})

        def holds(case: Any, *, ask: Ask) -> None:
            case.validate_response(ask(case), checks=checks)

        try:
            _each(operation, partial(holds, ask=ask), mode)
        except Unsatisfiable:
            continue  # nothing about it can be wrong: any text will do
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  all that is broken is told at once
            broken[operation.label] = f"{type(error).__name__}: {error}"[:1500]
    assert not broken, "\n\n".join(f"{label}\n{why}" for label, why in broken.items())
    assert "Traceback" not in site.node.log()


def test_without_a_token_nothing_is_answered(site: Site) -> None:
    leaks: dict[str, tuple[int, str]] = {}
    for operation in site.operations:
        if f"{operation.method.upper()} /api{operation.path}" in OPEN:
            continue

        for headers in ({}, {"authorization": "Bearer lml_0000"}, {"authorization": "Basic eDp5"}):

            def refused(case: Any, *, label: str, ask: Ask) -> None:
                answer = ask(case)
                if answer.status_code == 302 and answer.headers["location"][0].startswith("/"):
                    return  # a page went to sign in, and is sent back to where that begins
                if answer.status_code not in {401, 403, 404, 405}:
                    leaks[label] = (answer.status_code, answer.content[:200].decode("latin-1"))
                elif answer.content:
                    assert set(json.loads(answer.content)) <= {"type", "title", "status", "code", "detail"}

            _each(operation, partial(refused, label=operation.label, ask=partial(_asked, site.url, headers)))
    assert leaks == {}


def _fillable(operation: Any) -> bool:
    """Whether it takes a body or a query: a path that is wrong is another path."""
    described = operation.definition.raw
    return "requestBody" in described or any(one["in"] == "query" for one in described.get("parameters", ()))


def _each(operation: Any, test: Callable[[Any], None], mode: GenerationMode = GenerationMode.POSITIVE) -> None:
    """Make a few requests of one operation."""

    def tried(case: Any) -> None:
        test(case)

    SPARING(given(case=operation.as_strategy(generation_mode=mode))(tried))()


def _asked(url: str, headers: dict[str, str], case: Any) -> Any:
    return case.call(base_url=url, headers=headers, timeout=20, allow_redirects=False)
