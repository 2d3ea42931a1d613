"""Objects that are linked to another one, and what such ones are called."""

import pytest

from shared.passes.google.linked import MAX_LINKED, TooManyLinkedError, linked
from tests.unit.google.cards import ISSUER, a_google_card

NAMES = [f"p_primary_linked{at}" for at in range(MAX_LINKED)]
IDS = [f"{ISSUER}.{name}" for name in NAMES]


def test_an_object_may_have_a_name_of_its_own():
    assert a_google_card().object_(name="p_primary_linked")["id"] == f"{ISSUER}.p_primary_linked"


def test_linked_objects_are_told_all_at_once_with_those_of_the_template():
    card = a_google_card(google={"object": {"linkedObjectIds": [f"{ISSUER}.gift", IDS[0]]}})

    assert card.object_(linked=NAMES[:2])["linkedObjectIds"] == [*IDS[:2], f"{ISSUER}.gift"]
    assert "linkedObjectIds" not in a_google_card().object_()


def test_a_51st_linked_object_is_refused():
    card = a_google_card(google={"object": {"linkedObjectIds": [f"{ISSUER}.gift"]}})

    assert len(a_google_card().object_(linked=NAMES)["linkedObjectIds"]) == MAX_LINKED
    with pytest.raises(TooManyLinkedError):
        card.object_(linked=NAMES)
    with pytest.raises(TooManyLinkedError):
        linked(NAMES, ["another"])


def test_a_template_that_links_51_has_an_error():
    card = a_google_card(google={"object": {"linkedObjectIds": [*IDS, f"{ISSUER}.gift"]}})

    assert ("error", "google-limit", "$.google.object.linkedObjectIds") in card.found()


def test_what_is_linked_again_stays_in_its_place():
    assert linked(NAMES, NAMES[:1]) == NAMES
