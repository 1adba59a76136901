"""The conformance statement says what the code does."""

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest

from lamelle.dicom import transfer, uids
from lamelle.doors.dimse import conformance, services
from lamelle.doors.dimse.commands import NAMES, Status
from lamelle.ops import reference

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "conformance.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date(page: str) -> None:
    assert page == reference.conformance_statement(), "run: python -m lamelle.ops.reference docs/reference"


@pytest.mark.parametrize("uid", sorted(services.SERVICES))
def test_every_service_stands_there(page: str, uid: str) -> None:
    service = services.SERVICES[uid]
    [row] = re.findall(rf"^\| (.*) \| `{re.escape(uid)}` \| (.*?) \| (.*?) \|", page, re.MULTILINE)
    asked = ", ".join(NAMES[command] for command in service.commands)
    assert row == (uids.name(uid), asked, f"`{service.right}`" if service.right else "none")
    assert all(f"### {NAMES[command]}\n" in page for command in service.commands)


def test_every_storage_class_and_transfer_syntax_stands_there(page: str) -> None:
    named = set(re.findall(r"\| `([0-9.]+)` \|", page))
    assert named >= uids.PATIENT_STORAGE
    assert set(transfer.TABLE) <= named


STATUSES = {value: name for name, value in vars(Status).items() if isinstance(value, int)}


MODULES: dict[str, set[int]] = {}
for _service in (*services.SERVICES.values(), services.STORAGE):
    MODULES.setdefault(_service.handler.__module__, set()).update(_service.commands)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_service_answers_what_is_not_said(module: str) -> None:
    source = inspect.getsource(sys.modules[module])
    named = {
        getattr(Status, node.attr)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Status"
    }
    said = conformance.ALWAYS.union(*(conformance.STATUSES[command] for command in MODULES[module]))
    assert {STATUSES[status] for status in named - said} == set()


def test_every_status_has_a_meaning() -> None:
    said = conformance.ALWAYS.union(*conformance.STATUSES.values())
    assert said <= set(conformance.MEANINGS)
