"""What the words of a scope allow: never more than they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.access import scopes
from lamelle.access.model import Action
from lamelle.base.errors import Invalid

READ = {Action.VIEW, Action.VIEW_LABEL, Action.EXPORT}


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("system/ImagingStudy.rs", READ),
        ("user/ImagingStudy.read openid profile", READ),
        ("system/ImagingStudy.c", {Action.STORE}),
        ("system/ImagingStudy.r", set()),
        ("system/ImagingStudy.s", set()),
        ("system/ImagingStudy.r system/ImagingStudy.s", set()),
        ("system/ImagingStudy.sr", set()),
        ("system/ImagingStudy.rs?status=available", set()),
        ("patient/ImagingStudy.rs", set()),
        ("system/Patient.cruds", set()),
        ("system/imagingstudy.rs", set()),
        ("system/ImagingStudy.", set()),
        ("system/Task.crus", {Action.SCHEDULE}),
        ("system/ServiceRequest.*", {Action.SCHEDULE}),
        ("system/Task.rs", set()),
        ("system/AuditEvent.rs", {Action.AUDIT}),
        ("system/*.rs", READ | {Action.AUDIT, Action.OPERATE}),
        ("system/*.cruds", set(Action) - {Action.BREAK_GLASS, Action.VALIDATE}),
        ("lamelle/view lamelle/store", {Action.VIEW, Action.STORE}),
        ("lamelle/break_glass lamelle/validate", set()),
        ("system/DiagnosticReport.crus", {Action.REPORT}),
        ("lamelle/anything view", set()),
        ("", set()),
    ],
)
def test_words_and_what_they_allow(scope: str, allowed: set[Action]) -> None:
    assert scopes.actions(scope) == allowed


@given(st.frozensets(st.sampled_from(sorted(set(Action) - {Action.BREAK_GLASS, Action.VALIDATE})), min_size=1))
def test_actions_that_are_named_are_those_allowed(wanted: frozenset[Action]) -> None:
    assert scopes.actions(scopes.naming(wanted)) == wanted


@given(st.text("lamebrk_gsuytcdv/.* ISAE", max_size=40))
def test_whatever_is_said_breaks_no_glass(scope: str) -> None:
    assert Action.BREAK_GLASS not in scopes.actions(scope)


@pytest.mark.parametrize("scope", ["", "  ", "openid", "system/ImagingStudy.rs nonsense", "lamelle/break_glass"])
def test_a_word_that_allows_nothing_is_refused_when_a_token_is_made(scope: str) -> None:
    with pytest.raises(Invalid):
        scopes.check(scope)
