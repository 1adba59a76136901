"""Who asks, read once in a while from sessions and tokens: what is remembered is at most `fresh_s` old.

Whoever goes on asking is read anew before that, in a thread, so that no request of theirs waits for it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from lamelle.access import decide
from lamelle.access.model import NOTHING, Action, Actor, Caller, Purpose, Reach
from lamelle.base.errors import Unauthenticated, Unavailable
from lamelle.doors.guard.credentials import NONE, Credential

Identify = Callable[[Credential], Caller]
"""Whose a credential is. Raises: Unauthenticated for one unknown, run out or revoked, Unavailable. May wait."""

LOCAL: Final = Caller(Actor(0, "local", kind="system"), Purpose.CARE)
"""Everyone, where nobody signs in."""
SIGN_IN: Final = Unauthenticated("sign_in_required", "sign in, or send a bearer token")
MOST_KNOWN: Final = 4096
MOST_SEEN: Final = 4096
AGAIN_S: Final = 15 * 60.0
"""After this long a study that is still looked at is entered again."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a credential is worth."""

    caller: Caller | None
    why: Unauthenticated
    """What is said where there is no caller."""
    until_s: float
    reach: Reach
    """What the caller may view."""
    seen: dict[str, float]
    """What was entered of the caller as seen, and until when that holds."""
    renew_s: float = float("inf")
    """From when on it is read anew for whoever goes on asking."""


class Callers:
    """The credentials of late; any number of threads may ask."""

    def __init__(
        self,
        identify: Identify | None,
        fresh_s: float,
        now_s: Callable[[], float] = time.monotonic,
        *,
        noting: bool = True,
        later: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """Without `identify` nobody signs in, and everyone is LOCAL; `noting`: whether the ledger is told anything.

        `later` does something in another thread.
        """
        self._noting = noting
        self._identify, self._fresh_s, self._now_s = identify, fresh_s, now_s
        self._known: OrderedDict[Credential, Known] = OrderedDict()
        self._seen: OrderedDict[tuple[int, str, str], dict[str, float]] = OrderedDict()
        self._strangers: dict[str, float] = {}
        self._lock = threading.Lock()
        self._later = later or ThreadPoolExecutor(1, "callers").submit
        self._without = self._made(LOCAL if identify is None else SIGN_IN, float("inf"))

    @property
    def signs_in(self) -> bool:
        """Whether anybody has to sign in."""
        return self._identify is not None

    def at_hand(self, credential: Credential) -> Known | None:
        """What is known of it without waiting; None: `read` it in a thread."""
        if self._identify is None or credential is NONE or not credential.kind:
            return self._without
        found, now_s = self._known.get(credential), self._now_s()
        if found is None or found.until_s < now_s:
            return None
        if found.renew_s < now_s:
            found = self._known[credential] = replace(found, renew_s=float("inf"))
            self._later(partial(self._renew, credential, found))
        return found

    def _renew(self, credential: Credential, old: Known) -> None:
        """Read it anew, unless it was forgotten meanwhile: what this reading found may be older than the reason."""
        try:
            found = self._read(credential)
        except Unavailable:  # whoever asks once it is too old is told so
            return
        with self._lock:
            if self._known.get(credential) is old:
                self._known[credential] = found

    def read(self, credential: Credential) -> Known:
        """Ask sessions and tokens. Raises: Unavailable."""
        if self._identify is None:
            return self._without
        found = self._read(credential)
        with self._lock:
            self._known[credential] = found
            self._known.move_to_end(credential)
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return found

    def _read(self, credential: Credential) -> Known:
        assert self._identify is not None
        now_s = self._now_s()
        until_s = now_s + self._fresh_s
        try:
            return replace(self._made(self._identify(credential), until_s), renew_s=now_s + self._fresh_s / 2)
        except Unauthenticated as why:
            return self._made(why, until_s)

    def forget(self, credential: Credential) -> None:
        """Read it anew next time: it was revoked, or belongs to somebody else now."""
        with self._lock:
            self._known.pop(credential, None)

    def is_new(self, known: Known, what: str) -> bool:
        """Whether the caller has to be entered as seeing this: not for a quarter of an hour, and now remembered."""
        now_s = self._now_s()
        if known.seen.get(what, 0.0) > now_s:
            return False
        if len(known.seen) >= MOST_SEEN:
            known.seen.clear()
        known.seen[what] = now_s + AGAIN_S
        return True

    def was_seen(self, known: Known, what: str) -> bool:
        """Whether the caller is entered as seeing this, or need not be."""
        return not self._noting or known.seen.get(what, 0.0) > self._now_s()

    def _made(self, caller: Caller | Unauthenticated, until_s: float) -> Known:
        if isinstance(caller, Unauthenticated):
            return Known(None, caller, until_s, NOTHING, self._strangers)
        key = (caller.actor.id, caller.session, caller.purpose.value)
        with self._lock:
            seen = self._seen.setdefault(key, {})
            self._seen.move_to_end(key)
            while len(self._seen) > MOST_KNOWN:
                self._seen.popitem(last=False)
        return Known(caller, SIGN_IN, until_s, decide.reach(caller.actor, Action.VIEW, caller.purpose), seen)
