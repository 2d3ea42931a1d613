"""What is to be at Google, compared with what was sent; and what is left of it."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.google.domain.documents import (
    class_of,
    differences,
    digests_of,
    erased,
    is_within,
    newest,
    object_of,
)
from shared.contracts.generator import GoogleDocument, GooglePass
from shared.identifiers import new_id
from tests.google.documents import merged
from tests.google.rules import PASS_TYPES, PassType, check
from tests.integration.google.documents import object_of as a_document

KEYS = st.text(string.ascii_letters, min_size=1, max_size=3)
VALUES = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=6)


@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_of_the_differences_makes_one_document_of_another(
    sent: dict[str, Any], wanted: dict[str, Any]
):
    assert merged(sent, differences(wanted, digests_of(sent))) == wanted


@given(DOCUMENTS)
def test_nothing_differs_from_itself(document: dict[str, Any]):
    assert differences(document, digests_of(document)) == {}


def test_arrays_and_objects_are_sent_whole_and_what_went_is_null():
    sent = {"rows": [1, 2], "points": {"label": "beans", "balance": 1}, "gone": 1, "same": "x"}
    wanted = {"rows": [1, 3], "points": {"label": "beans", "balance": 2}, "same": "x"}

    assert differences(wanted, digests_of(sent)) == {
        "rows": [1, 3],
        "points": {"label": "beans", "balance": 2},
        "gone": None,
    }


def test_the_order_of_keys_is_no_difference():
    assert digests_of({"a": {"b": 1, "c": 2}}) == digests_of({"a": {"c": 2, "b": 1}})


@pytest.mark.parametrize("type_", PASS_TYPES)
def test_what_is_left_of_an_object_is_valid_and_tells_of_nobody(type_: PassType):
    document = a_document(type_)

    left = erased(type_, document)

    check(type_, "object", left)
    assert left["state"] == "INACTIVE"
    assert not any(name in str(left) for name in ("Ada", "ADA", "4711", "ABC123"))


@pytest.mark.parametrize(
    ("sent", "found", "is_in"),
    [
        ({"a": 1}, {"a": 1, "kind": "x"}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "kind": "x"}}, True),
        ([{"a": 1}], [{"a": 1, "kind": "x"}], True),
        ([1], [1, 2], False),
        ({"a": 1}, {}, False),
        ("a", "b", False),
        (None, None, True),
    ],
)
def test_what_google_adds_is_no_drift(sent: object, found: object, *, is_in: bool):
    assert is_within(sent, found) is is_in


def test_of_a_document_the_newest_version_and_revision_is_kept():
    passes = [a_pass(2, 1), a_pass(1, 9), a_pass(2, 3), a_pass(2, 2)]

    [kept] = newest(map(object_of, passes))
    [of_class] = newest(one for each in passes if (one := class_of(each)))

    assert (kept.age, of_class.age) == ((2, 3), (0, 9))
    assert kept.needs == ["1.c", "1.linked"]


def a_pass(version: int, revision: int) -> GooglePass:
    body = {"id": "1.o", "classId": "1.c", "linkedObjectIds": ["1.linked"]}
    return GooglePass(
        account_id=new_id(),
        template_id=new_id(),
        handle="handle",
        version=version,
        push_version=0,
        issuer_id="1",
        class_id="1.c",
        class_revision=revision,
        class_document=GoogleDocument(type="loyalty", id="1.c", body={"id": "1.c"}, digest="c"),
        object_document=GoogleDocument(type="loyalty", id="1.o", body=body, digest="o"),
    )
