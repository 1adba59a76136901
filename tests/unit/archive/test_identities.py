"""The patient over a file's metadata, whatever stands around him."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lamelle.archive import identities
from lamelle.archive.identities import Patient

WHO = Patient("9", "CHU-X", "AUTRE^Zoé", "19790314", "F").columns()
TOLD = {
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "AUTRE^Zoé"}]},
    "00100020": {"vr": "LO", "Value": ["9"]},
    "00100021": {"vr": "LO", "Value": ["CHU-X"]},
    "00100030": {"vr": "DA", "Value": ["19790314"]},
    "00100040": {"vr": "CS", "Value": ["F"]},
}
PATIENT = sorted(TOLD)
INNER = {"00100020": {"vr": "LO", "Value": ["of another"]}, "52009230": {"vr": "SQ"}}
TAGS = [*PATIENT, "00080005", "00081140", "00400512", "52009229", "52009230", "7FE00010"]
VALUES = st.sampled_from([{"vr": "LO"}, {"vr": "LO", "Value": ["é"]}, {"vr": "SQ", "Value": [INNER, INNER]}])


@given(st.dictionaries(st.sampled_from(TAGS), VALUES))
def test_the_patient_is_told_and_all_else_stays(ds: dict[str, object]) -> None:
    text = json.dumps(dict(sorted(ds.items())), ensure_ascii=False, separators=(",", ":")).encode()
    found = json.loads(identities.over(text, WHO))
    assert found == ds | TOLD
    assert list(found) == sorted(found)


def test_what_files_say_alike_is_not_written_anew() -> None:
    text = json.dumps(TOLD, ensure_ascii=False, indent=1).encode()
    assert identities.over(text, WHO) is text


def test_an_empty_issuer_takes_the_files_away_and_adds_none() -> None:
    columns = Patient("9", name="AUTRE").columns()
    bare = b'{"00100020":{"vr":"LO","Value":["1"]}}'
    assert "00100021" not in json.loads(identities.over(bare, columns))
    issued = b'{"00100021":{"vr":"LO","Value":["ELSEWHERE"]}}'
    assert json.loads(identities.over(issued, columns))["00100021"] == {"vr": "LO"}
