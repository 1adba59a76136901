"""FHIR through the whole application: nobody finds what is out of reach or scope; a client we did not write asks."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

from lamelle.access import people, places, tokens
from lamelle.access.model import Purpose, Role
from lamelle.access.settings import AccessSettings
from lamelle.archive.settings import ArchiveSettings
from lamelle.archive.store import Archive
from lamelle.doors.fhir.names import TYPES
from lamelle.lab import cases
from lamelle.lab.orders import Identifier, Identity, SlideSaid, SpecimenSaid
from lamelle.lab.room import Lab, LabSettings
from lamelle.ops import config, wiring
from lamelle.testing import biopsy, browser
from lamelle.testing.browser import Client
from lamelle.testing.waiting import until

EVERY = "lamelle/read lamelle/view lamelle/schedule lamelle/report"
JSON = "application/fhir+json"


@dataclass(frozen=True)
class House:
    """Two establishments with a case each, and the application."""

    archive: Archive
    application: Any
    client: Client
    second: int

    def token(self, scope: str, role: Role = Role.DEVICE, place: int = 1, kind: Any = "service") -> str:
        now = datetime.now(UTC)
        with self.archive.db.write() as conn:
            number = people.add(conn, f"{role}-{now.timestamp()}", now, kind=kind)
            people.appoint(conn, number, role, place)
            return tokens.make(conn, number, "t", scope, Purpose.CARE, 1, now, AccessSettings())[0]

    def ask(self, target: str, token: str, method: str = "GET", body: Any = None) -> Any:
        more: dict[str, Any] = {} if body is None else {"body": json.dumps(body).encode(), "content_type": JSON}
        answer = self.client(f"/fhir/{target}", method, authorization=f"Bearer {token}", **more)
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house") / "data"
    settings = config.Settings(
        archive=ArchiveSettings(folder, reserve_bytes=0), access=AccessSettings(sign_in="required")
    )
    archive = Archive.open(settings.archive)
    lab = Lab(archive.db, archive.clock, LabSettings())
    biopsy.fill(lab, archive)
    with archive.db.write() as conn:
        second = places.add(conn, "establishment", "Second")
    cases.take(
        lab,
        replace(
            biopsy.ORDER,
            case=Identifier("26B0001", "OTHER"),
            place=second,
            patient=Identity((Identifier("B1", "OTHER"),), "AILLEURS"),
            study_uid="",
            specimens=(SpecimenSaid(Identifier("26B0001-A", "OTHER")),),
            blocks=(),
            slides=(SlideSaid(Identifier("26B0001-A-1", "OTHER")),),
        ),
    )
    application = wiring.application(settings).asgi
    yield House(archive, application, browser.client(application), second)
    browser.close(application)
    archive.close()


def test_who_does_not_sign_in_learns_what_there_is_and_no_more(house: House) -> None:
    assert house.client("/fhir/metadata").status_code == 200
    refused = house.client("/fhir/Patient")
    assert refused.status_code == 401
    assert refused.json()["issue"][0]["code"] == "login"


@pytest.mark.parametrize("kind", TYPES)
def test_each_place_finds_its_own(house: House, kind: str) -> None:
    first, second = house.token(EVERY), house.token(EVERY, place=house.second)
    mine, theirs = (
        {entry["resource"]["id"] for entry in house.ask(kind, token)[1].get("entry", [])} for token in (first, second)
    )
    assert mine and mine.isdisjoint(theirs)
    assert theirs or kind in {"ImagingStudy", "DiagnosticReport", "Task"}
    assert all(house.ask(f"{kind}/{ident}", second)[0] == 404 for ident in mine)
    assert all(house.ask(f"{kind}/{ident}", first)[0] == 404 for ident in theirs)
    assert (
        house.ask(f"{kind}?_summary=count&patient=1" if kind != "Patient" else "Patient?_id=1", second)[1]["total"] == 0
    )


def test_what_belongs_to_a_case_out_of_reach_does_not_come_along(house: House) -> None:
    token = house.token(EVERY, place=house.second)
    found = house.ask("ServiceRequest?_revinclude=DiagnosticReport:based-on&_include=ServiceRequest:patient", token)[1]
    assert "PAT-TROIS" not in json.dumps(found) and "AILLEURS" in json.dumps(found)


def test_nobody_orders_on_a_case_of_another_place(house: House) -> None:
    number = {"system": "urn:x-lamelle:issuer:OTHER", "value": "26B0001"}
    order = {
        "resourceType": "ServiceRequest",
        "identifier": [{"type": {"coding": [{"code": "ACSN"}]}, **number}],
        "status": "revoked",
        "intent": "order",
        "subject": {"identifier": {"system": "urn:oid:1.2", "value": "X"}},
    }
    status, told = house.ask("ServiceRequest", house.token(EVERY), "POST", order)
    assert (status, told["issue"][0]["details"]["coding"][0]["code"]) == (409, "case_elsewhere")
    status, _ = house.ask(
        "ServiceRequest", house.token(EVERY, place=house.second), "POST", {**order, "status": "active"}
    )
    assert status == 201


@pytest.mark.parametrize(
    ("scope", "target", "status"),
    [
        ("system/Patient.rs", "Patient", 200),
        ("system/Patient.rs", "Patient/1", 200),
        ("system/Patient.rs", "ServiceRequest", 403),
        ("system/Patient.rs", "ImagingStudy", 403),
        ("system/ImagingStudy.rs", "ImagingStudy", 200),
        ("system/ImagingStudy.rs", "Patient", 403),
        ("lamelle/read", "Specimen", 200),
        ("system/*.read", "Task", 200),
    ],
)
def test_a_scope_leaves_the_kinds_it_names(house: House, scope: str, target: str, status: int) -> None:
    assert house.ask(target, house.token(scope))[0] == status


def test_what_the_scope_does_not_leave_does_not_come_along(house: House) -> None:
    token = house.token("system/ServiceRequest.rs")
    found = house.ask("ServiceRequest?_include=ServiceRequest:patient&_include=ServiceRequest:specimen", token)[1]
    assert {entry["resource"]["resourceType"] for entry in found["entry"]} == {"ServiceRequest"}


@pytest.mark.parametrize(("role", "kind", "status"), [(Role.RESIDENT, "person", 403), (Role.DEVICE, "service", 201)])
def test_who_may_not_sign_brings_no_signed_report(house: House, role: Role, kind: str, status: int) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "CR"},
        "basedOn": [{"reference": "ServiceRequest/1"}],
        "conclusion": "Adénome.",
    }
    assert house.ask("DiagnosticReport", house.token(EVERY, role, kind=kind), "POST", report)[0] == status


@pytest.fixture(scope="module")
def url(house: House) -> Iterator[str]:
    """The application on a port."""
    server = uvicorn.Server(uvicorn.Config(house.application, lifespan="off", log_config=None, ws="none"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
        server.should_exit = True
        thread.join()


def test_a_client_we_did_not_write_reads_searches_and_orders(house: House, url: str) -> None:
    client = SyncFHIRClient(url, authorization=f"Bearer {house.token(EVERY)}")
    patients = client.resources("Patient")
    patient = patients.search(identifier="urn:oid:1.2.250.1.999.1|000003", birthdate__ge="1979-01-01").get()
    assert patient.get_by_path(["name", 0, "family"]) == "PAT-TROIS"
    specimens = client.resources("Specimen").search(patient=patient, status="available").limit(1)
    assert [one["id"] for one in specimens.fetch_all()] == ["part-1", "block-1", "slide-1", "slide-2"]
    assert specimens.count() == 4
    slides = client.resources("Specimen").search(type="slide").include("Specimen", "parent").fetch_raw()
    assert [entry.search["mode"] for entry in slides.entry] == ["match", "match", "include"]
    order = client.resources("ServiceRequest").search(_lastUpdated__gt="2020").sort("-_lastUpdated").first()
    assert order["subject"].to_resource()["id"] == patient["id"]
    made = client.resource(
        "ServiceRequest",
        identifier=[{"type": {"coding": [{"code": "ACSN"}]}, "value": "26F1"}],
        status="active",
        intent="order",
        subject=patient.to_reference(),
    )
    made.save()
    assert client.reference("ServiceRequest", made["id"]).to_resource()["requisition"]["value"] == "26F1"
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", "999").to_resource()
    with pytest.raises(OperationOutcome):
        client.resources("Patient").search(nonsense="1").fetch()


def test_examples_of_patients_come_back_as_they_were_said(house: House, shared_data: Path) -> None:
    """Patients of Synthea's bundles, ordered for, read and compared in what an order keeps of them."""
    token, count = house.token(EVERY), 0
    for file in sorted((shared_data / "hl7fhir" / "synthea_r4").glob("*.json")):
        entries = json.loads(file.read_bytes())["entry"]
        patient = next(entry["resource"] for entry in entries if entry["resource"]["resourceType"] == "Patient")
        order = {
            "resourceType": "ServiceRequest",
            "identifier": [{"type": {"coding": [{"code": "ACSN"}]}, "value": f"SYN{count}"}],
            "status": "active",
            "intent": "order",
            "subject": {"reference": f"urn:uuid:{patient['id']}"},
        }
        sent = [
            {
                "fullUrl": f"urn:uuid:{patient['id']}",
                "resource": patient,
                "request": {"method": "POST", "url": "Patient"},
            }
        ]
        sent.append(
            {"fullUrl": "urn:uuid:order", "resource": order, "request": {"method": "POST", "url": "ServiceRequest"}}
        )
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": sent}
        status, told = house.ask("", token, "POST", bundle)
        assert status == 200, told
        kept = house.ask(told["entry"][0]["response"]["location"], token)[1]
        assert (kept["gender"], kept["birthDate"]) == (patient["gender"], patient["birthDate"])
        assert kept["name"][0]["family"] == patient["name"][0]["family"]
        said, back = ({(one["system"], one["value"]) for one in r["identifier"]} for r in (patient, kept))
        assert back == said
        count += 1
    assert count
