"""Every resource is one of FHIR R4, says what the laboratory knows, and no more than may be said."""

import base64
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from lamelle.audit.model import Entry
from lamelle.doors.fhir.names import TYPES
from lamelle.lab import patients, reporting
from lamelle.lab.orders import Identifier, Identity
from lamelle.lab.room import Lab
from lamelle.testing import biopsy
from lamelle.testing.biopsy import NOW, said
from lamelle.testing.browser import Client


@pytest.mark.parametrize("kind", TYPES)
def test_resources_and_bundles_are_valid(client: Client, found: Any, kind: str) -> None:
    resources = found(kind)
    assert resources
    for one in resources:
        get_fhir_model_class(kind).model_validate(one)
        again = client(f"/fhir/{kind}/{one['id']}")
        assert again.json() == one
        assert again.headers["etag"] == f'W/"{one["meta"]["versionId"]}"'
        assert "last-modified" in again.headers
        assert again.headers["content-type"] == "application/fhir+json"
    get_fhir_model_class("Bundle").model_validate(client(f"/fhir/{kind}").json())


def test_the_statement_is_valid_and_names_every_type(client: Client) -> None:
    statement = client("/fhir/metadata").json()
    get_fhir_model_class("CapabilityStatement").model_validate(statement)
    assert statement["fhirVersion"] == "4.0.1"
    assert [one["type"] for one in statement["rest"][0]["resource"]] == list(TYPES)


def test_a_slide_has_its_parents_its_stain_and_its_barcode(found: Any) -> None:
    (slide,) = found("Specimen?container-id=http://diamic.example/ids|26P01234-A-1-2")
    assert slide["processing"][0]["procedure"]["text"] == "Ki-67"
    assert slide["container"][0]["identifier"][0]["value"] == "26P01234-A-1-2"
    assert slide["accessionIdentifier"]["value"] == "26P01234"
    (block,) = found(f"Specimen?_id={slide['parent'][0]['reference'].partition('/')[2]}")
    (part,) = found(f"Specimen?_id={block['parent'][0]['reference'].partition('/')[2]}")
    assert "parent" not in part
    assert part["collection"]["bodySite"]["text"] == "colon"
    assert [one["id"] for one in found("Specimen?identifier=STAINER-77")] == [slide["id"]]


def test_an_image_knows_its_order_its_slide_and_where_it_is_retrieved(found: Any) -> None:
    (study,) = found(f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{biopsy.STUDY}")
    assert study["basedOn"] == [{"reference": found("ServiceRequest")[0]["resourceType"] + "/1"}]
    assert study["series"][0]["specimen"] == [{"reference": "Specimen/slide-1"}]
    assert study["contained"][0]["address"] == "http://test/dicomweb"


@pytest.mark.parametrize(("status", "shown"), [("VALI", True), ("PROV", False), ("RECD", False), ("", False)])
def test_the_matricule_is_told_of_a_qualified_identity_alone(
    lab: Lab, found: Any, client: Client, status: str, shown: bool
) -> None:
    who = Identity(
        (Identifier("77", "1.2.3"),), "X", ins=biopsy.MATRICULE, ins_oid="1.2.250.1.213.1.4.8", ins_status=status
    )
    patients.say(lab, who, NOW)
    (patient,) = found("Patient?identifier=urn:oid:1.2.3|77")
    assert (biopsy.MATRICULE in str(patient)) is shown
    assert ("profile" in patient["meta"]) is shown
    searched = [one["id"] for one in found(f"Patient?identifier=urn:oid:1.2.250.1.213.1.4.8|{biopsy.MATRICULE}")]
    assert (patient["id"] in searched) is shown


def test_names_of_birth_and_of_use_stand_apart(found: Any) -> None:
    (patient,) = found("Patient")
    assert [(name["use"], name["family"]) for name in patient["name"]] == [
        ("official", "PAT-TROIS"),
        ("usual", "MARIEE"),
    ]
    assert (patient["birthDate"], patient["gender"]) == ("1979-03-14", "female")


@pytest.mark.parametrize(("date", "shown"), [("19790000", "1979"), ("19790300", "1979-03"), ("00000000", None)])
def test_parts_of_a_birth_date_that_nobody_knows_are_left_out(
    lab: Lab, found: Any, date: str, shown: str | None
) -> None:
    patients.say(lab, Identity((Identifier("8", "x"),), "Y", birth_date=date), NOW)
    assert found("Patient?identifier=8")[0].get("birthDate") == shown


def test_a_report_is_one_resource_whose_versions_are_its_history(lab: Lab, client: Client, found: Any) -> None:
    assert found("DiagnosticReport?status=preliminary")[0]["issued"].startswith("2026-03-16T11")
    reporting.take(lab, said("final", "Carcinome.", 30))
    reporting.take(lab, said("corrected", "Adénocarcinome <invasif>.", 10))
    (report,) = found("DiagnosticReport?status=amended")
    assert base64.b64decode(report["presentedForm"][0]["data"]).decode() == "Adénocarcinome <invasif>."
    assert "&lt;invasif&gt;" in report["text"]["div"]
    history = client(f"/fhir/DiagnosticReport/{report['id']}/_history").json()
    get_fhir_model_class("Bundle").model_validate(history)
    statuses = [entry["resource"]["status"] for entry in history["entry"]]
    assert statuses[:2] == ["amended", "final"]
    older = history["entry"][1]["resource"]
    version = older["meta"]["versionId"]
    assert client(f"/fhir/DiagnosticReport/{report['id']}/_history/{version}").json() == older
    assert client(f"/fhir/DiagnosticReport/{report['id']}/_history/99").status_code == 404


def test_a_draft_is_announced_and_not_told(lab: Lab, found: Any) -> None:
    from lamelle.lab import cases
    from lamelle.lab.orders import Order, ReportSaid

    cases.take(lab, Order(Identifier("26P9", "DIAMIC"), NOW, patient=biopsy.WHO))
    reporting.take(lab, ReportSaid(Identifier("26P9", "DIAMIC"), NOW, "DIAMIC", "draft", text="secret"))
    (report,) = found("DiagnosticReport?identifier=26P9")
    assert report["status"] == "registered"
    assert "presentedForm" not in report and "text" not in report


def test_what_is_read_is_entered_once(client: Client, told: list[Entry]) -> None:
    client("/fhir/Patient/1")
    client("/fhir/Patient/1")
    client("/fhir/ServiceRequest/1")
    assert [(one.action, one.detail["what"], one.patient_id) for one in told] == [
        ("read", "Patient/1", "000003"),
        ("read", "ServiceRequest/1", "000003"),
    ]


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("Patient/99", 404, "no_such_resource"),
        ("Patient/x", 404, "no_such_resource"),
        ("Specimen/slide-99999999999999999999", 404, "no_such_resource"),
        ("Observation", 404, "no_such_path"),
        ("Patient?_format=application/fhir+xml", 406, "not_acceptable"),
    ],
)
def test_errors_are_outcomes(client: Client, target: str, status: int, code: str) -> None:
    answer = client(f"/fhir/{target}")
    assert answer.status_code == status
    get_fhir_model_class("OperationOutcome").model_validate(answer.json())
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == code


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json;q=0.5, text/html", 200),
        ("*/*", 200),
        ("application/fhir+xml", 406),
        ("text/html", 406),
    ],
)
def test_json_is_the_one_language(client: Client, accept: str, status: int) -> None:
    assert client("/fhir/Patient", accept=accept).status_code == status
