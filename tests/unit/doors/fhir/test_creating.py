"""Orders and reports that come in by FHIR end as those of any other door; what is wrong is said, never a 500."""

import base64
import json
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamelle.audit.model import Entry
from lamelle.testing.biopsy import INS_NIR, MATRICULE
from lamelle.testing.browser import Answer, Client

JSON = "application/fhir+json"
DIAMIC = "http://diamic.example/ids"
RELIABILITY = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability"
PATIENT = {
    "resourceType": "Patient",
    "extension": [
        {"url": RELIABILITY, "extension": [{"url": "identityStatus", "valueCoding": {"code": "VALI"}}]},
    ],
    "identifier": [
        {"system": "urn:oid:1.2.250.1.999.1", "value": "000077"},
        {"system": f"urn:oid:{INS_NIR}", "value": MATRICULE},
    ],
    "name": [{"use": "official", "family": "NOUVELLE", "given": ["LEA", "ANNE"]}],
    "gender": "female",
    "birthDate": "1990-05",
}


def request(number: str = "26P7000", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "identifier": [{"type": {"coding": [{"code": "ACSN"}]}, "system": DIAMIC, "value": number}],
        "status": "active",
        "intent": "order",
        "priority": "stat",
        "code": {"text": "Biopsie"},
        "subject": {"reference": "urn:uuid:patient"},
        "authoredOn": "2026-03-16T09:00:00+01:00",
        **more,
    }


def specimen(name: str, above: str = "", **more: Any) -> dict[str, Any]:
    parent = [{"reference": f"urn:uuid:{above}"}] if above else []
    made = {"resourceType": "Specimen", "identifier": [{"system": DIAMIC, "value": name}], **more}
    return made | ({"parent": parent} if parent else {})


def bundle(*entries: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    made = [
        {"fullUrl": f"urn:uuid:{url}", "resource": one, "request": {"method": "POST", "url": one["resourceType"]}}
        for url, one in entries
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": made}


def whole(number: str = "26P7000") -> dict[str, Any]:
    stained = {"processing": [{"procedure": {"text": "HES"}}]}
    return bundle(
        ("patient", PATIENT),
        ("part", specimen(f"{number}-A", type={"text": "Tissue"}, collection={"bodySite": {"text": "skin"}})),
        ("block", specimen(f"{number}-A-1", "part")),
        ("slide", specimen(f"{number}-A-1-1", "block", **stained)),
        ("order", request(number, specimen=[{"reference": "urn:uuid:slide"}])),
    )


def send(client: Client, resource: Any, kind: str = "", **headers: str) -> Answer:
    return client(f"/fhir/{kind}", "POST", json.dumps(resource).encode(), content_type=JSON, **headers)


def code(answer: Answer) -> str:
    get_fhir_model_class("OperationOutcome").model_validate(answer.json())
    return str(answer.json()["issue"][0]["details"]["coding"][0]["code"])


def test_a_transaction_is_an_order_with_all_it_names(client: Client, found: Any, told: list[Entry]) -> None:
    answer = send(client, whole())
    assert answer.status_code == 200, answer.text
    get_fhir_model_class("Bundle").model_validate(answer.json())
    locations = [one["response"].get("location", "") for one in answer.json()["entry"]]
    assert [text.partition("/")[0] for text in locations] == ["Patient", *["Specimen"] * 3, "ServiceRequest"]
    assert (told[-1].action, told[-1].detail["what"], told[-1].patient_id) == ("schedule", locations[-1], "000077")
    order = client(f"/fhir/{locations[-1]}").json()
    assert (order["priority"], order["code"]["text"], order["authoredOn"]) == (
        "stat",
        "Biopsie",
        "2026-03-16T08:00:00Z",
    )
    patient = client(f"/fhir/{order['subject']['reference']}").json()
    assert patient["name"] == [{"use": "official", "family": "NOUVELLE", "given": ["LEA"]}]
    assert patient["birthDate"] == "1990-05"
    assert patient["identifier"][0]["value"] == MATRICULE
    (slide,) = found("Specimen?accession=26P7000&type=slide")
    (block,) = found("Specimen?accession=26P7000&type=block")
    assert slide["parent"] == [{"reference": f"Specimen/{block['id']}"}]
    assert slide["processing"][0]["procedure"]["text"] == "HES"


def test_the_address_of_the_service_needs_no_slash(client: Client) -> None:
    answer = client("/fhir", "POST", json.dumps(whole()).encode(), content_type=JSON)
    assert answer.status_code == 200


def test_said_twice_is_said_once(client: Client, found: Any) -> None:
    first, second = (send(client, whole()).json() for _ in range(2))
    assert first == second
    assert len(found("Specimen?accession=26P7000")) == 3


def test_one_order_for_a_patient_who_is_known(client: Client) -> None:
    for number, reference in enumerate(("Patient/1", "Patient?identifier=000003", "http://test/fhir/Patient/1")):
        answer = send(client, request(f"26P71{number}", subject={"reference": reference}), "ServiceRequest")
        assert answer.status_code == 201, answer.text
        get_fhir_model_class("ServiceRequest").model_validate(answer.json())
        assert answer.json()["subject"]["reference"] == "Patient/1"
        assert answer.headers["location"] == f"http://test/fhir/ServiceRequest/{answer.json()['id']}"
    by_name = {"identifier": {"system": "urn:oid:1.2.250.1.999.1", "value": "000003"}}
    answer = send(client, request("26P7200", subject=by_name), "ServiceRequest", prefer="return=minimal")
    assert (answer.status_code, answer.content) == (201, b"")


def test_a_contained_patient_and_names_of_who_asks(client: Client) -> None:
    who = {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Exemple", "given": ["Anne"]}]}
    contained = [{**PATIENT, "id": "p"}, who]
    asked = request(subject={"reference": "#p"}, requester={"reference": "#dr"}, contained=contained)
    assert send(client, asked, "ServiceRequest").json()["requester"] == {"display": "Anne Exemple"}


def test_an_order_that_is_revoked_cancels_the_case(client: Client, found: Any) -> None:
    send(client, request("26P01234", status="revoked", subject={"reference": "Patient/1"}), "ServiceRequest")
    assert [one["id"] for one in found("ServiceRequest?status=revoked")] == ["1"]


def test_if_none_exist(client: Client) -> None:
    asked = request("26P01234", subject={"reference": "Patient/1"})
    condition = f"identifier={DIAMIC}|26P01234"
    answer = send(client, asked, "ServiceRequest", if_none_exist=condition)
    assert (answer.status_code, answer.json()["id"]) == (200, "1")
    assert send(client, request("26P7"), "ServiceRequest", if_none_exist="identifier=").status_code == 400


def test_a_report_comes_in_and_is_signed(client: Client, found: Any, told: list[Entry]) -> None:
    text = base64.b64encode("Mélanome.".encode()).decode()
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "11526-1"}]},
        "basedOn": [{"reference": "ServiceRequest/1"}],
        "issued": "2026-03-16T11:30:00Z",
        "resultsInterpreter": [{"display": "Dr Morel"}],
        "presentedForm": [{"contentType": "text/plain; charset=utf-8", "data": text}],
    }
    answer = send(client, report, "DiagnosticReport")
    assert answer.status_code == 201, answer.text
    assert (answer.json()["status"], answer.json()["presentedForm"][0]["data"]) == ("final", text)
    assert answer.json()["code"]["coding"][0]["code"] == "11526-1"
    assert [one["id"] for one in found("ServiceRequest?status=completed")] == ["1"]
    assert told[-1].action == "validate"
    later = {
        **report,
        "status": "amended",
        "issued": "2026-03-16T11:40:00Z",
        "presentedForm": [],
        "conclusion": "Nævus.",
    }
    del later["presentedForm"]
    assert send(client, later, "DiagnosticReport").json()["status"] == "amended"


def test_a_report_says_its_words_in_a_narrative_too(client: Client) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Un &lt; deux</p><p>Trois</p></div>'
    report = {
        "resourceType": "DiagnosticReport",
        "status": "preliminary",
        "identifier": [{"system": DIAMIC, "value": "26P01234"}],
        "code": {"text": "CR"},
        "text": {"status": "generated", "div": div},
    }
    told = send(client, report, "DiagnosticReport").json()
    assert base64.b64decode(told["presentedForm"][0]["data"]).decode() == "Un < deux\nTrois"


def report_of(number: int, status: str) -> dict[str, Any]:
    based_on = [{"reference": f"ServiceRequest/{number}"}]
    return {"resourceType": "DiagnosticReport", "status": status, "code": {"text": "CR"}, "basedOn": based_on}


KNOWN = {"reference": "Patient/1"}
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


@pytest.mark.parametrize(
    ("resource", "kind", "status", "expected"),
    [
        ([], "ServiceRequest", 400, "bad_json"),
        ({"resourceType": "Patient"}, "ServiceRequest", 400, "bad_resource"),
        ({"resourceType": "ServiceRequest"}, "ServiceRequest", 400, "bad_resource"),
        (request(status="lost"), "ServiceRequest", 412, "no_match"),
        (request(subject=KNOWN, identifier=[{"system": "x"}]), "ServiceRequest", 400, "no_accession"),
        (request(subject={"reference": "Patient/99"}), "ServiceRequest", 412, "no_match"),
        (request(subject={"reference": "Patient?identifier=nobody"}), "ServiceRequest", 412, "no_match"),
        (request(subject={"reference": "Patient?nonsense=nobody"}), "ServiceRequest", 400, "unknown_parameter"),
        ({"resourceType": "Bundle", "type": "batch"}, "", 501, "bundle_type"),
        ({"resourceType": "Bundle", "type": "transaction"}, "", 501, "bundle_type"),
        (bundle(("o", OBSERVATION)), "", 501, "bundle_entry"),
        (report_of(1, "final"), "DiagnosticReport", 400, "no_report_text"),
        (report_of(1, "unknown"), "DiagnosticReport", 400, "bad_report_status"),
        (report_of(9, "final"), "DiagnosticReport", 400, "no_accession"),
    ],
)
def test_what_is_refused(client: Client, resource: Any, kind: str, status: int, expected: str) -> None:
    answer = send(client, resource, kind)
    assert (answer.status_code, code(answer)) == (status, expected)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[" * 100_000, b'{"resourceType": "\\ud800"}', b'{"a": "\\u0000"}', b'{"a": NaN}', b"1"],
)
def test_what_is_no_json_is_said_to_be_none(client: Client, body: bytes) -> None:
    answer = client("/fhir/ServiceRequest", "POST", body, content_type=JSON)
    assert (answer.status_code, code(answer)) == (400, "bad_json")


def test_other_media_types_and_large_bodies_are_refused(client: Client) -> None:
    assert client("/fhir/ServiceRequest", "POST", b"{}", content_type="application/fhir+xml").status_code == 415
    assert client("/fhir/ServiceRequest", "POST", b"{}").status_code == 415
    assert client("/fhir/ServiceRequest", "POST", b" " * (9 << 20), content_type=JSON).status_code == 413


NOISE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(request())), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.lists(st.integers(0, 30), max_size=5), noise=NOISE)
def test_an_order_with_anything_anywhere_is_never_our_fault(client: Client, place: list[int], noise: Any) -> None:
    made = json.loads(json.dumps(whole("26P8000")))
    node: Any = made
    for step in place:
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        if not keys:
            break
        chosen = keys[step % len(keys)]
        if not isinstance(node[chosen], (dict, list)) or step % 7 == 0:
            node[chosen] = noise
            break
        node = node[chosen]
    assert send(client, made).status_code < 500 or send(client, made).status_code == 501
