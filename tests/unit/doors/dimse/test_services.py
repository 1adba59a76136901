"""Who may have which context in which transfer syntax, and what errors become."""

import pytest

from lamelle.base.errors import Conflict, Denied, Invalid, LamelleError, NotFound, TooLarge, Unavailable, Unsupported
from lamelle.dicom import uids
from lamelle.doors.dimse import negotiation, services
from lamelle.doors.dimse.commands import C_FIND, C_STORE, N_CREATE
from lamelle.doors.dimse.negotiation import Offer, is_loopback, same_host
from lamelle.doors.dimse.services import STORAGE, choose, judge, status_of
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.doors.dimse.storage import VERIFICATION

CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        ((IMPLICIT,), IMPLICIT),
        ((IMPLICIT, EXPLICIT), EXPLICIT),
        ((BIG, IMPLICIT), BIG),
        ((JPEG, EXPLICIT, IMPLICIT), JPEG),
        ((EXPLICIT, JPEG), EXPLICIT),
        ((IMPLICIT, JPEG, EXPLICIT), IMPLICIT),
        (("no uid", JPEG), JPEG),
        (("1.3.6.1.4.1.5962.300.1",), "1.3.6.1.4.1.5962.300.1"),
        ((), None),
    ],
)
def test_the_transfer_syntax_of_objects(proposed: tuple[str, ...], chosen: str | None) -> None:
    assert choose(STORAGE, proposed) == chosen


def test_messages_without_pixels_come_explicit_where_they_can() -> None:
    echo = services.SERVICES[VERIFICATION]
    assert choose(echo, (IMPLICIT, EXPLICIT)) == EXPLICIT
    assert choose(echo, (JPEG,)) is None


def test_every_storage_class_of_a_patient_is_stored() -> None:
    assert len(uids.PATIENT_STORAGE) > 170
    for uid in uids.PATIENT_STORAGE:
        assert services.service_of(uid) is STORAGE, uids.name(uid)
    for uid in ("1.2.840.113619.4.26", "1.2.840.10008.5.1.4.1.1.77.1.99"):
        assert services.service_of(uid) is STORAGE
    for uid in (*uids.NO_PATIENT, "1.2.840.10008.5.1.1.1", "not a uid", ""):
        assert services.service_of(uid) is not STORAGE


def test_rights_open_contexts() -> None:
    scanner, viewer = Peer("S"), Peer("V", rights=frozenset({"get"}))
    plain, retrieved = Offer(1, CT, (EXPLICIT,)), Offer(1, CT, (EXPLICIT,), scp_role=True)
    assert judge(plain, scanner).result == negotiation.ACCEPTED
    assert judge(plain, viewer).result == negotiation.USER_REFUSED
    assert judge(plain, None).result == negotiation.ACCEPTED
    answer = judge(retrieved, viewer)
    assert (answer.result, answer.as_scu, answer.as_scp) == (negotiation.ACCEPTED, True, False)
    answer = judge(retrieved, None)
    assert (answer.as_scu, answer.as_scp) == (True, True)
    assert judge(Offer(1, VERIFICATION, (IMPLICIT,)), viewer).result == negotiation.ACCEPTED
    assert judge(Offer(1, VERIFICATION, (JPEG,)), None).result == negotiation.NO_TRANSFER_SYNTAX
    assert judge(Offer(1, "1.2.840.10008.5.1.1.1", (IMPLICIT,)), None).result == negotiation.NO_ABSTRACT_SYNTAX


@pytest.mark.parametrize(
    ("error", "store", "query", "normalised"),
    [
        (Unavailable("storage_full", ""), 0xA700, 0xA700, 0x0213),
        (TooLarge("x", ""), 0xA700, 0xA700, 0x0213),
        (Denied("x", ""), 0x0124, 0x0124, 0x0124),
        (Invalid("x", ""), 0xC000, 0xA900, 0x0110),
        (Invalid("missing_value", ""), 0x0121, 0x0121, 0x0121),
        (Conflict("x", ""), 0x0111, 0x0110, 0x0111),
        (Conflict("step_ended", ""), 0x0110, 0x0110, 0x0110),
        (NotFound("x", ""), 0x0112, 0x0112, 0x0112),
        (Unsupported("x", ""), 0x0122, 0x0122, 0x0122),
        (LamelleError("x", ""), 0x0110, 0x0110, 0x0110),
    ],
)
def test_errors_become_statuses(error: LamelleError, store: int, query: int, normalised: int) -> None:
    assert [status_of(error, field) for field in (C_STORE, C_FIND, N_CREATE)] == [store, query, normalised]


@pytest.mark.parametrize(
    ("host", "address", "same"),
    [
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "::ffff:10.1.2.3", True),
        ("10.1.0.0/16", "10.1.200.3", True),
        ("10.1.0.0/16", "10.2.0.1", False),
        ("localhost", "127.0.0.1", True),
        ("10.1.2.3", "", False),
    ],
)
def test_a_host_is_known_by_its_address(host: str, address: str, same: bool) -> None:
    assert same_host(host, address) is same


def test_loopback_is_this_machine() -> None:
    assert is_loopback("127.0.0.9")
    assert is_loopback("::1")
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("192.0.2.1")


@pytest.mark.parametrize("aet", ["", " X", "X" * 17, "A\\B", "é", "A\n"])
def test_what_is_no_title_is_refused(aet: str) -> None:
    with pytest.raises(Invalid, match="AE title"):
        DimseSettings(aet=aet)
    with pytest.raises(Invalid, match="AE title"):
        Peer(aet)


def test_a_title_stands_once() -> None:
    with pytest.raises(Invalid, match="twice"):
        DimseSettings(peers=(Peer("A"), Peer("A")))
