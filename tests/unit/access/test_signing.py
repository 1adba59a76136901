"""Signing in step by step, what is refused and how often, and what of it stands in the ledger."""

from dataclasses import replace

import pyotp
import pytest
import sqlalchemy as sa

from lamelle.access import decide, factors, identify, passwords, people, sessions, signing
from lamelle.access.model import Action, Purpose, Role
from lamelle.access.proofs import attempt, credential, session
from lamelle.access.room import Access
from lamelle.access.signing import Browser
from lamelle.audit import model
from lamelle.audit.tables import pending
from lamelle.base.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated
from lamelle.testing.archives import SetClock
from lamelle.testing.people import PASSWORD, person

HERE = Browser("192.0.2.7", "Firefox")
NEW = "seven quiet lanterns"


def entered(access: Access) -> list[model.Entry]:
    with access.db.read() as conn:
        return [model.read(row.entry) for row in conn.execute(sa.select(pending).order_by(pending.c.id))]


def refused(access: Access, login: str, password: str, browser: Browser = HERE) -> str:
    with pytest.raises((Unauthenticated, Denied)) as error:
        signing.with_password(access, login, password, browser)
    return error.value.code


def with_factor(access: Access, clock: SetClock, login: str) -> tuple[str, pyotp.TOTP, list[str]]:
    cookie, _ = signing.with_password(access, login, PASSWORD, HERE)
    found = identify.session(access, cookie)
    secret, _ = signing.begin_factor(access, found)
    totp = pyotp.TOTP(secret)
    return cookie, totp, signing.confirm_factor(access, found, totp.at(clock.now()), HERE)


def test_a_password_opens_a_session_that_is_somebody(access: Access) -> None:
    person(access, "doctor", Role.PATHOLOGIST)
    cookie, found = signing.with_password(access, " Doctor ", PASSWORD, HERE)
    caller = identify.caller(access, cookie=cookie, address="192.0.2.8")
    assert (caller.actor.login, caller.purpose, caller.address) == ("doctor", Purpose.CARE, "192.0.2.8")
    assert caller.session == f"session:{found.id}"
    assert decide.reach(caller.actor, Action.VIEW, caller.purpose)
    (entry,) = entered(access)
    assert (entry.actor, entry.action, entry.outcome, entry.address) == ("doctor", "sign_in", "success", "192.0.2.7")


def test_neither_secret_nor_password_is_kept(access: Access) -> None:
    person(access, "doctor")
    cookie, _ = signing.with_password(access, "doctor", PASSWORD, HERE)
    with access.db.read() as conn:
        kept = [str(row) for table in (credential, session) for row in conn.execute(sa.select(table))]
    assert kept
    assert not any(cookie in row or PASSWORD in row for row in kept)


def test_what_is_wrong_is_refused_in_the_same_words(access: Access) -> None:
    with_password = person(access, "doctor", Role.PATHOLOGIST)
    with access.db.write() as conn:
        people.add(conn, "robot", access.clock.now(), kind="service")
        people.add(conn, "elsewhere", access.clock.now())
        gone = people.add(conn, "gone", access.clock.now())
        passwords.put(conn, gone, access.hashing.make(PASSWORD), access.clock.now())
        people.switch(conn, gone, access.clock.now())
    said = set()
    for login in ("doctor", "nobody", "robot", "elsewhere", "gone", "", "x" * 500):
        with pytest.raises(Unauthenticated) as error:
            signing.with_password(access, login, "not the password", HERE)
        said.add((error.value.code, error.value.message))
    assert said == {("wrong_password", signing.WRONG)}
    assert refused(access, "gone", PASSWORD) == "wrong_password"
    assert with_password


def test_a_hash_is_checked_also_when_nobody_is_there(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    person(access, "doctor")
    checked: list[bool] = []
    verify = passwords.Hashing.fits

    def fits(self: passwords.Hashing, kept: str | None, given: str) -> bool:
        checked.append(verify(self, kept, given))
        return False

    monkeypatch.setattr(passwords.Hashing, "fits", fits)
    for login in ("doctor", "nobody"):
        refused(access, login, "not the password")
    assert checked == [False, False]


def test_what_was_typed_as_a_login_is_not_written_down(access: Access) -> None:
    person(access, "doctor")
    refused(access, "my secret password", "x")
    refused(access, "doctor", "x")
    assert [(e.actor, e.action, e.outcome, e.reason) for e in entered(access)] == [
        ("unknown", "sign_in_refused", "refused", "wrong_password"),
        ("doctor", "sign_in_refused", "refused", "wrong_password"),
    ]
    with access.db.read() as conn:
        assert all("secret" not in row.key for row in conn.execute(sa.select(attempt)))


def test_an_account_waits_after_too_many_attempts_known_or_not(access: Access, clock: SetClock) -> None:
    person(access, "doctor")
    for login in ("doctor", "nobody"):
        codes = [refused(access, login, "wrong", Browser(f"192.0.2.{n}")) for n in range(12)]
        assert codes == ["wrong_password"] * 10 + ["too_many_attempts"] * 2
    assert refused(access, "doctor", PASSWORD) == "too_many_attempts"
    assert [e.reason for e in entered(access)].count("too_many_attempts") == 2, "once for each account"
    clock.move(access.settings.attempts_s + 1)
    assert signing.with_password(access, "doctor", PASSWORD, HERE)


def test_an_address_waits_whatever_the_accounts(access: Access) -> None:
    person(access, "doctor")
    for number in range(access.settings.attempts_address):
        assert refused(access, f"nobody{number}", "wrong") == "wrong_password"
    assert refused(access, "doctor", PASSWORD) == "too_many_attempts"
    assert signing.with_password(access, "doctor", PASSWORD, Browser("192.0.2.99"))


def test_who_is_right_starts_again_and_burdens_no_address(access: Access) -> None:
    person(access, "doctor")
    for _ in range(access.settings.attempts):
        refused(access, "doctor", "wrong", Browser("192.0.2.50"))
        signing.with_password(access, "doctor", PASSWORD, HERE)
    refused(access, "doctor", "wrong", Browser())
    with access.db.read() as conn:
        counts = sorted(conn.execute(sa.select(attempt.c.count)).scalars())
    assert counts == [0, 1, 10], "its own address, the account, the address that was wrong"


def test_a_hash_is_made_anew_when_more_is_asked_for(access: Access) -> None:
    person(access, "doctor")
    stronger = Access.open(access.db, access.clock, replace(access.settings, hash_rounds=2))
    signing.with_password(stronger, "doctor", PASSWORD, HERE)
    with access.db.read() as conn:
        assert ",t=2," in conn.execute(sa.select(credential.c.hash)).scalar_one()
    assert signing.with_password(access, "doctor", PASSWORD, HERE)


def test_a_one_time_password_opens_nothing_but_its_own_change(access: Access, clock: SetClock) -> None:
    number = person(access, "doctor", Role.PATHOLOGIST)
    with access.db.write() as conn:
        passwords.put(conn, number, access.hashing.make("given-by-somebody"), clock.now(), 3600)
    cookie, found = signing.with_password(access, "doctor", "given-by-somebody", HERE)
    caller = identify.caller(access, cookie=cookie)
    assert found.step == "new_password"
    assert caller.actor.memberships == ()
    assert [e.action for e in entered(access)] == [], "nobody has signed in yet"
    with pytest.raises(Invalid):
        signing.change_password(access, found, "given-by-somebody", "given-by-somebody", HERE)
    changed = signing.change_password(access, found, "given-by-somebody", NEW, HERE)
    assert changed.step == ""
    assert identify.caller(access, cookie=cookie).actor.memberships
    assert [e.action for e in entered(access)] == ["password_changed", "sign_in"]
    assert refused(access, "doctor", "given-by-somebody") == "wrong_password"


def test_a_one_time_password_ends(access: Access, clock: SetClock) -> None:
    number = person(access, "doctor")
    with access.db.write() as conn:
        passwords.put(conn, number, access.hashing.make("given-by-somebody"), clock.now(), 3600)
    clock.move(3600)
    assert refused(access, "doctor", "given-by-somebody") == "wrong_password"


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaa", "123456789012345", "doctor123456789", "x" * 600])
def test_a_weak_password_is_refused(access: Access, weak: str) -> None:
    with pytest.raises(Invalid) as error:
        passwords.check(weak, "doctor", access.settings)
    assert error.value.code == "weak_password"


def test_one_spelling_of_what_looks_alike() -> None:
    from lamelle.testing.people import CHEAP

    hashing = passwords.Hashing(CHEAP)
    assert hashing.fits(hashing.make("cafe\u0301 noir"), "caf\u00e9 noir")


def test_a_changed_password_ends_the_other_sessions(access: Access) -> None:
    person(access, "doctor")
    mine, found = signing.with_password(access, "doctor", PASSWORD, HERE)
    other, _ = signing.with_password(access, "doctor", PASSWORD, HERE)
    with pytest.raises(Denied):
        signing.change_password(access, found, "wrong", NEW, HERE)
    signing.change_password(access, found, PASSWORD, NEW, HERE)
    assert identify.caller(access, cookie=mine)
    with pytest.raises(Unauthenticated):
        identify.caller(access, cookie=other)


# -- second factors --------------------------------------------------------------------------------------------------


def test_a_second_factor_is_asked_for_and_each_code_is_good_once(access: Access, clock: SetClock) -> None:
    person(access, "doctor", Role.PATHOLOGIST)
    _, totp, _ = with_factor(access, clock, "doctor")
    clock.move(60)
    cookie, found = signing.with_password(access, "doctor", PASSWORD, HERE)
    assert found.step == "second_factor"
    assert identify.caller(access, cookie=cookie).actor.memberships == ()
    code = totp.at(clock.now())
    for wrong in ("000000", "", "abcdef", totp.at(clock.now(), counter_offset=5)):
        with pytest.raises(Unauthenticated):
            signing.with_code(access, found, wrong, HERE)
    done = signing.with_code(access, found, code, HERE)
    assert (done.step, done.method) == ("", "password+code")
    assert identify.caller(access, cookie=cookie).actor.memberships
    _, again = signing.with_password(access, "doctor", PASSWORD, HERE)
    with pytest.raises(Unauthenticated):
        signing.with_code(access, again, code, HERE)


def test_a_phone_may_be_one_step_off_and_no_more(access: Access, clock: SetClock) -> None:
    number = person(access, "doctor")
    _, totp, _ = with_factor(access, clock, "doctor")
    clock.move(300)
    with access.db.write() as conn:
        assert not factors.take(conn, number, totp.at(clock.now(), counter_offset=2), clock.now())
        assert not factors.take(conn, number, totp.at(clock.now(), counter_offset=-2), clock.now())
        assert factors.take(conn, number, totp.at(clock.now(), counter_offset=-1), clock.now())
        assert factors.take(conn, number, totp.at(clock.now(), counter_offset=1), clock.now())
        assert not factors.take(conn, number, totp.at(clock.now()), clock.now()), "an older step than one used"


def test_codes_are_limited(access: Access, clock: SetClock) -> None:
    person(access, "doctor")
    _, totp, _ = with_factor(access, clock, "doctor")
    clock.move(60)
    _, found = signing.with_password(access, "doctor", PASSWORD, HERE)
    for _ in range(access.settings.attempts):
        with pytest.raises(Unauthenticated):
            signing.with_code(access, found, "000000", HERE)
    signing.with_password(access, "doctor", PASSWORD, HERE)  # the right password is no way around
    with pytest.raises(Denied):
        signing.with_code(access, found, totp.at(clock.now()), HERE)


def test_a_recovery_code_is_good_once_and_new_ones_end_the_old(access: Access, clock: SetClock) -> None:
    number = person(access, "doctor")
    cookie, _, codes = with_factor(access, clock, "doctor")
    _, found = signing.with_password(access, "doctor", PASSWORD, HERE)
    assert signing.with_code(access, found, codes[0].upper().replace("-", " "), HERE).step == ""
    _, found = signing.with_password(access, "doctor", PASSWORD, HERE)
    with pytest.raises(Unauthenticated):
        signing.with_code(access, found, codes[0], HERE)
    signing.recovery_codes(access, identify.session(access, cookie))
    with access.db.write() as conn:
        assert factors.left(conn, number) == factors.RECOVERY
        assert not factors.take(conn, number, codes[1], clock.now())


def test_a_second_factor_is_removed_by_the_password_only(access: Access, clock: SetClock) -> None:
    person(access, "doctor")
    cookie, _, _ = with_factor(access, clock, "doctor")
    found = identify.session(access, cookie)
    with pytest.raises(Conflict):
        signing.begin_factor(access, found)
    with pytest.raises(Denied):
        signing.remove_factor(access, found, "wrong", HERE)
    signing.remove_factor(access, found, PASSWORD, HERE)
    assert signing.with_password(access, "doctor", PASSWORD, HERE)[1].step == ""


def test_a_half_signed_in_session_changes_nothing(access: Access, clock: SetClock) -> None:
    person(access, "doctor")
    with_factor(access, clock, "doctor")
    _, half = signing.with_password(access, "doctor", PASSWORD, HERE)
    with pytest.raises(Invalid):
        signing.change_password(access, half, PASSWORD, NEW, HERE)
    with pytest.raises(Invalid):
        signing.remove_factor(access, half, PASSWORD, HERE)
    with pytest.raises(Invalid):
        signing.recovery_codes(access, half)
    with pytest.raises(Invalid):
        signing.with_code(access, replace(half, step=""), "1", HERE)


def test_where_a_second_factor_is_required_it_comes_first(access: Access, clock: SetClock) -> None:
    strict = Access.open(access.db, clock, replace(access.settings, second_factor="required"))
    person(strict, "doctor", Role.PATHOLOGIST)
    cookie, found = signing.with_password(strict, "doctor", PASSWORD, HERE)
    assert found.step == "set_up_factor"
    assert identify.caller(strict, cookie=cookie).actor.memberships == ()
    secret, uri = signing.begin_factor(strict, found)
    assert uri.startswith("otpauth://totp/Lamelle:doctor?secret=")
    with pytest.raises(Invalid):
        signing.confirm_factor(strict, found, "000000", HERE)
    signing.confirm_factor(strict, found, pyotp.TOTP(secret).at(clock.now()), HERE)
    assert identify.caller(strict, cookie=cookie).actor.memberships
    with pytest.raises(Denied):
        signing.remove_factor(strict, identify.session(strict, cookie), PASSWORD, HERE)


# -- sessions --------------------------------------------------------------------------------------------------------


def test_a_session_ends_when_idle_and_in_any_case(access: Access, clock: SetClock) -> None:
    person(access, "doctor")
    cookie, _ = signing.with_password(access, "doctor", PASSWORD, HERE)
    until = clock.now().timestamp() + access.settings.absolute_s
    while clock.now().timestamp() + access.settings.idle_s - 1 < until:
        clock.move(access.settings.idle_s - 1)
        assert identify.caller(access, cookie=cookie)
    clock.move(access.settings.idle_s - 1)
    with pytest.raises(Unauthenticated):
        identify.caller(access, cookie=cookie)
    cookie, _ = signing.with_password(access, "doctor", PASSWORD, HERE)
    clock.move(access.settings.idle_s)
    with pytest.raises(Unauthenticated):
        identify.caller(access, cookie=cookie)


def test_a_session_is_signed_out_revoked_or_ends_with_the_account(access: Access, clock: SetClock) -> None:
    number = person(access, "doctor")
    other = person(access, "other")
    cookies = [signing.with_password(access, "doctor", PASSWORD, HERE) for _ in range(3)]
    signing.sign_out(access, cookies[0][1])
    signing.end_session(access, cookies[2][1], cookies[1][1].id)
    theirs = signing.with_password(access, "other", PASSWORD, HERE)[1]
    with pytest.raises(NotFound):
        signing.end_session(access, theirs, cookies[2][1].id)
    with access.db.read() as conn:
        assert [s.id for s in sessions.of(conn, number, clock.now(), access.settings)] == [cookies[2][1].id]
        assert [s.id for s in sessions.of(conn, other, clock.now(), access.settings)] == [theirs.id]
    assert identify.caller(access, cookie=cookies[2][0])
    with access.db.write() as conn:
        people.switch(conn, number, clock.now())
    for cookie, _ in cookies:
        with pytest.raises(Unauthenticated):
            identify.caller(access, cookie=cookie)


def test_the_purpose_is_one_that_a_role_knows(access: Access) -> None:
    person(access, "doctor", Role.PATHOLOGIST)
    cookie, found = signing.with_password(access, "doctor", PASSWORD, HERE)
    caller = identify.caller(access, cookie=cookie)
    signing.change_purpose(access, caller, found, Purpose.OPINION)
    assert identify.caller(access, cookie=cookie).purpose is Purpose.OPINION
    with pytest.raises(Denied):
        signing.change_purpose(access, caller, found, Purpose.RESEARCH)


def test_use_is_written_down_once_a_minute(access: Access, clock: SetClock) -> None:
    number = person(access, "doctor")
    cookie, _ = signing.with_password(access, "doctor", PASSWORD, HERE)
    seen = []
    for _ in range(3):
        clock.move(40)
        identify.caller(access, cookie=cookie)
        with access.db.read() as conn:
            (found,) = sessions.of(conn, number, clock.now(), access.settings)
            seen.append((clock.now() - found.last_at).total_seconds())
    assert seen == [40, 0, 40]


def test_the_word_of_a_page_follows_from_its_cookie() -> None:
    assert sessions.csrf("a") == sessions.csrf("a") != sessions.csrf("b")
    assert "a" * 43 not in sessions.csrf("a" * 43)
    assert sessions.cookie_name(True) == "__Host-lamelle"


@pytest.mark.parametrize("shown", [{}, {"cookie": "x"}, {"bearer": "lml_x"}, {"bearer": "x"}, {"bearer": "a.b.c"}])
def test_nobody_is_known_by_what_is_not_known(access: Access, shown: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        identify.caller(access, **shown)
