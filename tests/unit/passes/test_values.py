import tracemalloc
from dataclasses import replace

import pytest

from shared.passes.schema import registry
from shared.passes.schema.colours import normalise_colour
from shared.passes.schema.values import (
    UnfitError,
    accept,
    is_date,
    json_pointer,
    texts_within,
    to_text,
)


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("rgb(1,2, 3)", "rgb(1, 2, 3)"),
        ("#0c2238", "rgb(12, 34, 56)"),
        ("#FFF", "rgb(255, 255, 255)"),
        ("Navy", "rgb(0, 0, 128)"),
        ("rgb(1, 2, 256)", None),
        ("#12345", None),
        ("", None),
    ],
)
def test_colours_are_normalised(text: str, colour: str | None):
    assert normalise_colour(text) == colour


@pytest.mark.parametrize(
    "text", ["2026-01-31T18:30Z", "2026-01-31T18:30:15+01:00", "2026-01-31T18:30:15Z"]
)
def test_dates_have_a_zone(text: str):
    assert is_date(text)


@pytest.mark.parametrize("text", ["2026-01-31", "2026-01-31T18:30:15", "2026-02-30T18:30Z", "x\n"])
def test_dates_without_a_zone_or_out_of_the_calendar_are_none(text: str):
    assert not is_date(text)


def test_numbers_are_plain_text():
    assert [to_text(number) for number in (5, 5.0, 0.1, 1e-7, 1e21)] == [
        "5",
        "5",
        "0.1",
        "0.0000001",
        "1000000000000000000000",
    ]


def test_registry_knows_limits_styles_and_systems():
    locations = registry.lookup("Pass", "locations")
    upgrade = registry.lookup("Pass", "upgradeURL")

    assert locations is not None
    assert upgrade is not None
    assert locations.maximum_items == 10
    assert locations.type.text == "list of Location"
    assert upgrade.minimum_ios == 26
    assert upgrade.styles == {"boardingPass"}
    assert registry.lookup("Pass", "nonsense") is None


def test_texts_are_found_wherever_they_stand_and_named_by_their_pointers():
    value = {"a/b": ["one", {"~": "two"}], "n": 1, "z": "three"}

    found = [(json_pointer(steps), text) for steps, text in texts_within(value)]

    assert found == [("/a~1b/0", "one"), ("/a~1b/1/~0", "two"), ("/z", "three")]
    assert list(texts_within("alone")) == [((), "alone")]


def test_texts_below_a_long_key_do_not_copy_it():
    key = "k" * 100_000
    tracemalloc.start()

    count = sum(1 for _ in texts_within({key: [""] * 10_000}))

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert most < 10 * len(key)


@pytest.mark.parametrize("number", [2.0**63, -(2.0**64), 1e300])
def test_whole_number_that_no_reader_of_json_holds_does_not_fit(number: float):
    row = registry.keys_of("FieldContent")["row"]

    with pytest.raises(UnfitError, match="64 bits"):
        accept(replace(row, minimum=None, maximum=None), number)
