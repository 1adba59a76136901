"""Papers of a case over the API: added, listed, read, and by whom."""

import io
from typing import Any

from PIL import Image

from lamelle.access.model import Role
from lamelle.archive.store import Archive
from lamelle.lab import cases
from lamelle.lab.room import Lab
from lamelle.testing import laboratory
from lamelle.testing.browser import Client

from .test_cases import archive, lab, page

__all__ = ["archive", "lab"]  # fixtures
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def added(ask: Client, number: int, data: bytes, media_type: str, query: str = "kind=request&title=Bon") -> Any:
    answer = ask(f"/api/cases/{number}/attachments?{query}", "POST", data, content_type=media_type)
    return answer.status_code, answer.json()


def test_a_document_is_added_listed_and_read(archive: Archive, lab: Lab) -> None:
    number = cases.take(lab, laboratory.ORDER)
    ask = page(archive, lab, laboratory.DOCTOR)
    status, made = added(ask, number, PDF, "application/pdf; charset=binary")
    assert status == 201
    assert added(ask, number, PDF, "application/pdf") == (201, made)
    (listed,) = ask(f"/api/cases/{number}").json()["attachments"]
    assert (listed["id"], listed["kind"], listed["title"]) == (made["id"], "request", "Bon")
    answer = ask(f"/api/cases/{number}/attachments/{made['id']}")
    assert (answer.headers["content-type"], answer.content) == ("application/pdf", PDF)
    assert answer.headers["cache-control"] == "private, no-store"


def test_a_picture_larger_than_a_form_is_taken(archive: Archive, lab: Lab) -> None:
    number = cases.take(lab, laboratory.ORDER)
    written = io.BytesIO()
    Image.effect_noise((900, 700), 90).convert("RGB").save(written, "JPEG", quality=95)
    assert len(written.getvalue()) > 300_000
    ask = page(archive, lab, laboratory.TECHNICIAN)
    assert added(ask, number, written.getvalue(), "image/jpeg", "kind=macroscopy")[0] == 201


def test_who_may_not_and_what_is_none(archive: Archive, lab: Lab) -> None:
    number = cases.take(lab, laboratory.ORDER)
    doctor, archivist = page(archive, lab, laboratory.DOCTOR), page(archive, lab, laboratory.caller(Role.RESEARCHER))
    elsewhere = page(archive, lab, laboratory.caller(Role.PATHOLOGIST, place=99))
    assert added(doctor, number, b"GIF89a", "image/gif")[1]["code"] == "unsupported_document"
    assert added(doctor, number, PDF, "application/pdf", "kind=poem")[1]["code"] == "bad_attachment"
    assert added(archivist, number, PDF, "application/pdf")[0] == 403
    assert added(elsewhere, number, PDF, "application/pdf")[0] == 404
    _, made = added(page(archive, lab, laboratory.RESIDENT), number, PDF, "application/pdf")
    assert elsewhere(f"/api/cases/{number}/attachments/{made['id']}").status_code == 404
    assert doctor(f"/api/cases/{number}/attachments/999").json()["code"] == "no_such_attachment"
