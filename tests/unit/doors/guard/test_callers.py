"""What is remembered of credentials, and for how long."""

from collections.abc import Callable

from lamelle.access.model import WHOLE, Actor, Caller, Membership, Purpose, Role
from lamelle.base.errors import Unauthenticated, Unavailable
from lamelle.doors.guard import LOCAL, Callers, Credential
from lamelle.doors.guard.callers import AGAIN_S, MOST_KNOWN
from lamelle.doors.guard.credentials import NONE

TOKEN = Credential("bearer", "t1")
GONE = Unauthenticated("bad_token", "this token is revoked")


class Time:
    """A clock that is set."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def somebody(login: str = "zoe", session: str = "session:1") -> Caller:
    here = Membership(Role.PATHOLOGIST, frozenset({3}), frozenset({1, 3}))
    return Caller(Actor(7, login, memberships=(here,)), Purpose.CARE, session=session)


def test_without_sign_in_everyone_is_local() -> None:
    callers = Callers(None, 1.0)
    for brought in (NONE, TOKEN):
        known = callers.at_hand(brought)
        assert known is not None and (known.caller, known.reach) == (LOCAL, WHOLE)


def test_who_brings_nothing_is_nobody_and_nobody_is_asked() -> None:
    known = Callers(lambda brought: somebody(), 1.0).at_hand(NONE)
    assert known is not None and known.caller is None and not known.reach


def test_a_caller_is_read_once_in_a_while_and_a_revocation_counts() -> None:
    time, found = Time(), [somebody()]
    asked: list[Credential] = []

    def identify(brought: Credential) -> Caller:
        asked.append(brought)
        if not found:
            raise GONE
        return found[0]

    callers = Callers(identify, 1.0, time)
    assert callers.at_hand(TOKEN) is None
    assert callers.read(TOKEN).reach.places == {3}
    time.now_s += 0.4
    assert callers.at_hand(TOKEN) is not None
    found.clear()
    time.now_s += 0.7
    assert callers.at_hand(TOKEN) is None
    known = callers.read(TOKEN)
    assert (known.caller, known.why) == (None, GONE)
    assert len(asked) == 2


def test_who_goes_on_asking_is_read_anew_before_it_is_due() -> None:
    time, logins, renewals = Time(), ["zoe", "zoe after"], list[Callable[[], None]]()
    callers = Callers(lambda brought: somebody(logins.pop(0)), 1.0, time, later=renewals.append)
    callers.read(TOKEN)
    time.now_s += 0.6
    assert [_login(callers), _login(callers)] == ["zoe", "zoe"] and len(renewals) == 1
    renewals.pop()()
    time.now_s += 0.9  # too old for the first reading, not for the second
    assert _login(callers) == "zoe after"


def test_a_renewal_brings_nothing_back_that_was_forgotten() -> None:
    time, renewals = Time(), list[Callable[[], None]]()
    callers = Callers(lambda brought: somebody(), 1.0, time, later=renewals.append)
    callers.read(TOKEN)
    time.now_s += 0.6
    callers.at_hand(TOKEN)
    callers.forget(TOKEN)
    renewals.pop()()
    assert callers.at_hand(TOKEN) is None


def test_a_database_that_is_away_ends_no_session_before_its_time() -> None:
    time, renewals, away = Time(), list[Callable[[], None]](), list[bool]()

    def identify(brought: Credential) -> Caller:
        if away:
            raise Unavailable("no_database", "the database does not answer")
        return somebody()

    callers = Callers(identify, 1.0, time, later=renewals.append)
    callers.read(TOKEN)
    time.now_s += 0.6
    callers.at_hand(TOKEN)
    away.append(True)
    renewals.pop()()
    assert _login(callers) == "zoe"
    time.now_s += 0.5
    assert callers.at_hand(TOKEN) is None


def _login(callers: Callers) -> str:
    known = callers.at_hand(TOKEN)
    assert known is not None and known.caller is not None
    return known.caller.actor.login


def test_what_was_seen_outlives_the_reading_of_the_caller_and_ends() -> None:
    time = Time()
    callers = Callers(lambda brought: somebody(), 1.0, time)
    assert callers.is_new(callers.read(TOKEN), "1.2")
    time.now_s += 2
    known = callers.read(TOKEN)
    assert callers.was_seen(known, "1.2") and not callers.is_new(known, "1.2")
    assert not callers.was_seen(known, "1.3")
    time.now_s += AGAIN_S
    assert not callers.was_seen(known, "1.2")


def test_another_session_of_the_same_person_sees_anew() -> None:
    callers = Callers(lambda brought: somebody(session=brought.secret), 1.0)
    assert callers.is_new(callers.read(Credential("cookie", "a")), "1.2")
    assert callers.is_new(callers.read(Credential("cookie", "b")), "1.2")


def test_guessing_tokens_fills_no_memory() -> None:

    def identify(brought: Credential) -> Caller:
        raise GONE

    callers = Callers(identify, 60.0)
    for number in range(MOST_KNOWN + 10):
        callers.read(Credential("bearer", str(number)))
    assert callers.at_hand(Credential("bearer", "3")) is None
    assert callers.at_hand(Credential("bearer", str(MOST_KNOWN))) is not None
