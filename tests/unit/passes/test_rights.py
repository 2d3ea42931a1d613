"""Marks beside own values: what a text may show is decided by who wrote it."""

from typing import Any

import pytest

from shared.passes.language.migrations import migrate
from shared.passes.language.paths import MEMBER_FACTS
from shared.passes.language.rights import (
    ACCOUNT_WORDS,
    MEMBER_PATHS,
    marks_for,
    marks_outside,
    marks_within,
    path_of,
    withheld_from,
)
from shared.passes.language.specials import SPECIAL_WORDS
from tests.unit.passes.samples import a_pass


def test_withheld_words_are_all_that_tell_of_persons_and_rights():
    assert MEMBER_FACTS.keys() - {"member_id"} == MEMBER_PATHS
    assert ACCOUNT_WORDS < SPECIAL_WORDS


@pytest.mark.parametrize(
    ("value", "matters"),
    [("{clientHash}", 2), ("plain", 0), (7, 0), ([{"x": "y"}], 2), (None, 0)],
)
def test_only_what_may_be_replaced_or_executed_is_marked(value: Any, matters: int):
    assert len(marks_for("note", value, ("account", "member"))) == matters


def test_mark_is_about_its_path_and_no_other():
    marks = frozenset({"typed", *marks_for("note", "{x}", ("account",))})

    assert {path_of(mark) for mark in marks} == {"typed", "note"}
    assert withheld_from(marks, "note") == {"account"}
    assert withheld_from(marks, "typed") == withheld_from(None, "note") == frozenset()
    assert marks_within(marks, {"note": 1}) == {"{account}note"}
    assert marks_outside(marks, {"note"}) == {"typed"}


def test_marks_move_with_their_value():
    state = a_pass({"old": "{x}", "plain": 1}).with_values(
        {"old": "{x}", "plain": 1}, frozenset({"{member}old", "new", "plain"})
    )

    moved = migrate(state, {"old": "new"})

    assert moved.values == {"new": "{x}", "plain": 1}
    assert moved.literal == {"{member}new", "plain"}
