"""Search parameters, one by one: what they find, what they refuse, pages and what is included."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.base.errors import LamelleError
from lamelle.doors.fhir import parameters
from lamelle.doors.fhir.names import TYPES, Names
from lamelle.doors.fhir.parameters import INCLUDES, PARAMETERS
from lamelle.lab import cases
from lamelle.lab.lookup import Span
from lamelle.lab.orders import Identifier, Identity, Order
from lamelle.lab.room import Lab
from lamelle.lab.sources import SOURCES
from lamelle.testing.biopsy import NOW, STUDY
from lamelle.testing.browser import Client

INS = "urn:oid:1.2.250.1.213.1.4.8|279035121518989"


@pytest.mark.parametrize(
    ("target", "count"),
    [
        ("Patient?identifier=000003", 1),
        ("Patient?identifier=urn:oid:1.2.250.1.999.1|000003", 1),
        ("Patient?identifier=urn:oid:1.2.250.1.999.1|", 1),
        ("Patient?identifier=urn:oid:9.9|000003", 0),
        ("Patient?identifier=|000003", 0),
        ("Patient?identifier=nobody,000003", 1),
        (f"Patient?identifier={INS}", 1),
        ("Patient?family=pat-t", 1),
        ("Patient?family:exact=pat-trois", 0),
        ("Patient?family:exact=PAT-TROIS", 1),
        ("Patient?name:contains=mini", 1),
        ("Patient?name=mini", 0),
        ("Patient?given=Dom&birthdate=1979", 1),
        ("Patient?birthdate=1979-03-14", 1),
        ("Patient?birthdate=ne1979-03-14", 0),
        ("Patient?birthdate=gt1979-03-14", 0),
        ("Patient?birthdate=ge1979-03-14", 1),
        ("Patient?gender=female", 1),
        ("Patient?gender=male,female", 1),
        ("Patient?active=false", 0),
        ("Patient?_id=1", 1),
        ("Patient?_id=7,x,1", 1),
        ("ServiceRequest?identifier=http://diamic.example/ids|26P01234", 1),
        ("ServiceRequest?requisition=26P01234", 1),
        ("ServiceRequest?patient=1", 1),
        ("ServiceRequest?patient=Patient/1", 1),
        ("ServiceRequest?subject=http://test/fhir/Patient/1", 1),
        ("ServiceRequest?subject:Patient=1", 1),
        ("ServiceRequest?subject=Group/1", 0),
        ("ServiceRequest?patient.identifier=urn:oid:1.2.250.1.999.1|000003", 1),
        ("ServiceRequest?patient:identifier=000003", 1),
        ("ServiceRequest?subject:Patient.identifier=000003", 1),
        (f"ServiceRequest?patient.identifier={INS}", 1),
        ("ServiceRequest?status=active", 1),
        ("ServiceRequest?status=completed,revoked", 0),
        ("ServiceRequest?priority=urgent", 1),
        ("ServiceRequest?authored=2026-03-16", 1),
        ("ServiceRequest?authored=lt2026-03-16", 0),
        ("ServiceRequest?specimen=Specimen/slide-1", 1),
        ("ServiceRequest?specimen=part-1", 1),
        ("ServiceRequest?_lastUpdated=ge2026-03-16", 1),
        ("ServiceRequest?_lastUpdated=gt2026-03-16T12:00:00Z", 0),
        ("ServiceRequest?_lastUpdated=ge2026-03-16T13:00:00%2B01:00&_lastUpdated=lt2027", 1),
        ("Specimen?accession=26P01234", 4),
        ("Specimen?patient=1&type=slide", 2),
        ("Specimen?type=slide,block", 3),
        ("Specimen?parent=Specimen/block-1", 2),
        ("Specimen?parent=part-1", 1),
        ("Specimen?identifier=26P01234-A", 1),
        ("Specimen?collected=2026-03-16", 1),
        ("Specimen?status=available", 4),
        ("Specimen?status=unavailable", 0),
        ("Specimen?_id=slide-1,part-1", 2),
        (f"ImagingStudy?identifier=urn:oid:{STUDY}", 1),
        ("ImagingStudy?identifier=http://diamic.example/ids|26P01234", 1),
        ("ImagingStudy?identifier=http://elsewhere.example|26P01234", 0),
        ("ImagingStudy?identifier=26P01234", 1),
        ("ImagingStudy?identifier=urn:dicom:uid|1.2.3", 0),
        (f"ImagingStudy?_id={STUDY}", 1),
        ("ImagingStudy?patient=1", 1),
        ("ImagingStudy?patient.identifier=urn:oid:1.2.250.1.999.1|000003", 1),
        (f"ImagingStudy?subject.identifier={INS}", 1),
        ("ImagingStudy?status=available&modality=SM", 1),
        ("ImagingStudy?modality=CT", 0),
        ("ImagingStudy?started=2026-01-02", 1),
        ("ImagingStudy?started=gt2026-01-02", 0),
        ("ImagingStudy?basedon=ServiceRequest/1", 1),
        ("DiagnosticReport?based-on=ServiceRequest/1", 1),
        ("DiagnosticReport?based-on.identifier=26P01234", 1),
        ("DiagnosticReport?identifier=26P01234&code=http://loinc.org|60568-3", 1),
        ("DiagnosticReport?date=2026-03-16&issued=le2026-03-16", 1),
        ("DiagnosticReport?specimen=Specimen/block-1&patient=Patient/1", 1),
        ("DiagnosticReport?status=final", 0),
        ("Task?status=requested", 2),
        ("Task?based-on=1&code=rescan", 0),
        ("Task?code=PHH3", 1),
        ("Task?focus=Specimen/slide-1", 2),
        ("Task?group-identifier=26P01234&authored-on=2026-03-16&modified=le2026-03-16", 2),
        ("Task?identifier=T-1", 1),
    ],
)
def test_what_a_parameter_finds(client: Client, found: Any, target: str, count: int) -> None:
    assert len(found(target)) == count
    said = client(f"/fhir/{target}&_summary=count").json()
    assert said["total"] == count and "entry" not in said


@pytest.mark.parametrize("kind", TYPES)
def test_every_parameter_asks_a_field_that_rows_have(kind: str) -> None:
    for name, parameter in PARAMETERS[kind].items():
        assert any(parameter.asks in SOURCES[one].fields for one in TYPES[kind]), name


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("Patient?nonsense=1", "unknown_parameter"),
        ("Patient?birthdate=yesterday", "bad_date"),
        ("Patient?birthdate=2026-13-01", "bad_date"),
        ("Patient?birthdate=9999-12-31T23:59:59-12:00", "bad_date"),
        ("Patient?birthdate=0000", "bad_date"),
        ("Patient?identifier=a|b|c", "bad_parameter"),
        ("Patient?identifier=", "bad_parameter"),
        ("Patient?identifier=%00", "bad_parameter"),
        ("Patient?_count=-1", "bad_parameter"),
        ("Patient?_after=case-1", "bad_parameter"),
        ("Patient?_include=Patient:nothing", "bad_parameter"),
        ("Patient?_revinclude=Patient:family", "bad_parameter"),
        ("ServiceRequest?status:not=active", "modifier"),
        ("ServiceRequest?_sort=status", "sort"),
        ("ServiceRequest?_summary=text", "summary"),
    ],
)
def test_what_is_refused(client: Client, target: str, code: str) -> None:
    answer = client(f"/fhir/{target}")
    assert answer.status_code in {400, 501}
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == code


def test_who_asks_to_be_understood_leniently_is(client: Client) -> None:
    assert client("/fhir/Patient?nonsense=1", prefer="handling=lenient").json()["total"] == 1


def test_a_form_asks_the_same_without_naming_a_patient_in_an_address(client: Client, told: list[Any]) -> None:
    form = "application/x-www-form-urlencoded"
    answer = client("/fhir/Patient/_search", "POST", b"identifier=000003", content_type=form)
    assert answer.json()["total"] == 1
    assert told[0].action == "search" and told[0].detail["keys"] == {"identifier": "000003"}
    assert client("/fhir/Patient/_search", "POST", b"{}", content_type="application/json").status_code == 415


@pytest.fixture
def many(lab: Lab, client: Client) -> None:
    for number in range(7):
        at = NOW - timedelta(days=number)
        who = Identity((Identifier(f"P{number}", "1.2.3"),), f"NAME{number}")
        cases.take(lab, Order(Identifier(f"M{number}", "DIAMIC"), at, patient=who, ordered_at=at))
        lab.clock.move(60)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("sort", ["", "&_sort=_lastUpdated", "&_sort=-_lastUpdated"])
@pytest.mark.parametrize("kind", ["ServiceRequest", "Specimen", "Task", "Patient"])
def test_pages_follow_each_other_and_leave_nothing_out(client: Client, kind: str, sort: str) -> None:
    whole = client(f"/fhir/{kind}?_count=200{sort}").json()
    seen, target = [], f"/fhir/{kind}?_count=2{sort}"
    while target:
        page = client(target).json()
        assert page["total"] == whole["total"]
        seen += [entry["resource"] for entry in page["entry"]]
        links = {link["relation"]: link["url"] for link in page["link"]}
        assert "self" in links
        target = links.get("next", "").removeprefix("http://test")
    assert seen == [entry["resource"] for entry in whole["entry"]]
    changed = [one["meta"]["lastUpdated"] for one in seen]
    if sort:
        assert changed == sorted(changed, reverse="-" in sort)


@pytest.mark.usefixtures("many")
def test_a_page_has_as_many_as_the_settings_allow_and_none_is_a_count(client: Client) -> None:
    assert len(client("/fhir/ServiceRequest?_count=3").json()["entry"]) == 3
    assert client("/fhir/ServiceRequest?_count=0").json() == client("/fhir/ServiceRequest?_count=0").json()
    assert client("/fhir/ServiceRequest?_count=0&_total=accurate").json()["total"] == 8


@pytest.mark.parametrize(
    ("target", "included"),
    [
        ("ServiceRequest?_include=ServiceRequest:patient", {"Patient/1"}),
        ("ServiceRequest?_include=ServiceRequest:specimen", {"Specimen/part-1"}),
        ("Specimen?type=slide&_include=Specimen:parent", {"Specimen/block-1"}),
        ("ImagingStudy?_include=ImagingStudy:basedon", {"ServiceRequest/1"}),
        ("DiagnosticReport?_include=DiagnosticReport:based-on", {"ServiceRequest/1"}),
        ("Task?code=PHH3&_include=Task:focus&_include=Task:patient", {"Specimen/slide-1", "Patient/1"}),
        ("ServiceRequest?_revinclude=DiagnosticReport:based-on", {"DiagnosticReport/1"}),
        ("ServiceRequest?_revinclude=ImagingStudy:basedon", {f"ImagingStudy/{STUDY}"}),
        ("Patient?_revinclude=ServiceRequest:subject", {"ServiceRequest/1"}),
        ("Specimen?_id=slide-1&_revinclude=Task:focus", {"Task/technique-1", "Task/rescan-1"}),
    ],
)
def test_what_belongs_to_it_comes_along(found: Any, target: str, included: set[str]) -> None:
    assert {f"{one['resourceType']}/{one['id']}" for one in found(target, "include")} == included


@pytest.mark.parametrize("kind", TYPES)
def test_every_include_can_be_asked_for(client: Client, kind: str) -> None:
    for name in INCLUDES[kind]:
        assert client(f"/fhir/{kind}?_include={kind}:{name}").status_code == 200


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2026", Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))),
        ("eq2026-12", Span(datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))),
        ("gt2026-02-28", Span(datetime(2026, 3, 1, tzinfo=UTC), None)),
        ("sa2026-02-28", Span(datetime(2026, 3, 1, tzinfo=UTC), None)),
        ("lt2026-02", Span(None, datetime(2026, 2, 1, tzinfo=UTC))),
        ("le2026-02", Span(None, datetime(2026, 3, 1, tzinfo=UTC))),
        ("ne2026", Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), outside=True)),
    ],
)
def test_a_date_means_all_of_it(text: str, span: Span) -> None:
    assert parameters.span(text) == span


@given(st.text(max_size=40), st.sampled_from(sorted(TYPES)), st.data())
def test_no_value_breaks_the_reader(text: str, kind: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(PARAMETERS[kind])) | st.text(max_size=20))
    with suppress(LamelleError):
        parameters.match(kind, name, text, Names({}), "http://test/fhir")


@given(st.text(max_size=30))
def test_a_system_leads_back_to_its_issuer(issuer: str) -> None:
    names = Names({"DIAMIC": "http://diamic.example/ids"})
    assert names.issuer(names.system(issuer)) == issuer or issuer.startswith(("urn:", "http://diamic"))
