"""Passes as CSV: which columns there are, and what stands in a cell."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.usecases.exports import (
    COLUMNS,
    OTHER_VALUES,
    ROWS_AT_ONCE,
    csv_pieces,
    harmless,
    own_columns,
    pass_cells,
    write_rows,
)
from shared import clock
from shared.contracts.triggers import Pass
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
POINTS = "structure_headerFields_points_value"


def an_issued_pass(**facts: Any) -> Pass:
    return Pass.model_validate(
        {
            "handle": "h1",
            "account_id": UUID(int=1),
            "template_id": UUID(int=10),
            "serial_number": "s1",
            "version": 1,
            "values": {},
            "created_at": NOON,
            "updated_at": NOON + timedelta(hours=1),
            **facts,
        }
    )


def row_of(found: Pass, *paths: str) -> dict[str, str]:
    head = [*COLUMNS, *paths, OTHER_VALUES]
    return dict(zip(head, pass_cells(found, paths), strict=True))


def handle_of(found: Pass) -> list[str]:
    return [found.handle]


def read(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\uff1d1"],
)
def test_cell_that_would_run_is_made_harmless(text: str):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "-5", "+49301234", "1.5", "Ada", "a=b", "12-3"])
def test_other_cells_stay_as_they_are(text: str):
    assert harmless(text) == text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1))
def test_written_rows_read_back(row: list[str]):
    assert read(write_rows([row])) == [row]


def test_rows_are_quoted_as_rfc_4180_says():
    rows = [["a,b", 'say "hi"', "two\nlines", "", "Zürich"]]

    assert write_rows(rows) == '"a,b","say ""hi""","two\nlines","","Zürich"\r\n'.encode()


def test_row_tells_all_that_is_known_of_a_pass():
    found = an_issued_pass(
        member_id="ann",
        member={"email": "ann@beans.example"},
        voided=True,
        expires_at=NOON,
        values={POINTS: 5},
    )

    assert row_of(found, POINTS) == {
        "handle": "h1",
        "serial_number": "s1",
        "template_id": str(UUID(int=10)),
        "member_id": "ann",
        "email": "ann@beans.example",
        "created_at": "2026-11-21T12:00:00+00:00",
        "updated_at": "2026-11-21T13:00:00+00:00",
        "voided": "true",
        "expired": "true",
        "expires_at": "2026-11-21T12:00:00+00:00",
        POINTS: "5",
        OTHER_VALUES: "",
    }


def test_cells_of_what_a_pass_has_not_are_empty():
    row = row_of(an_issued_pass(expires_at=clock.now() + timedelta(days=1)), POINTS)

    assert (row["member_id"], row["email"], row[POINTS]) == ("", "", "")
    assert (row["voided"], row["expired"]) == ("false", "false")


def test_own_values_without_a_column_are_kept_as_json():
    found = an_issued_pass(values={POINTS: 5, "note": "=1+1", "list": [1, None]})

    row = row_of(found, POINTS)

    assert (row[POINTS], row[OTHER_VALUES]) == ("5", '{"list":[1,null],"note":"=1+1"}')


def test_texts_that_people_chose_are_harmless_in_every_column():
    found = an_issued_pass(
        member_id="-cmd",
        member={"email": "=1+1@beans.example"},
        values={"note": "@SUM(A1)", "n": -5},
    )

    row = row_of(found, "note", "n")

    assert row["member_id"] == "'-cmd"
    assert row["email"] == "'=1+1@beans.example"
    assert (row["note"], row["n"]) == ("'@SUM(A1)", "-5")


def test_columns_are_field_values_properties_and_what_is_editable():
    document = TemplateDocument.model_validate(
        {
            "pass": {
                "description": "Card",
                "logoText": {"value": "Beans", "editable": True},
                "backgroundColor": "#13315c",
                "storeCard": {"headerFields": [{"key": "points", "label": "Points", "value": 0}]},
            },
            "properties": {"stamps": 0, "email": "taken by a column of every file"},
        }
    )

    columns = own_columns(compile_template(document, name="Card", organization="Beans"))

    assert sorted(columns) == ["logoText", "stamps", POINTS]


async def test_rows_are_written_a_few_at_a_time_and_none_is_missing():
    async def pages() -> AsyncIterator[list[Pass]]:
        yield [an_issued_pass(handle=f"a{n}") for n in range(ROWS_AT_ONCE + 1)]
        yield []
        yield [an_issued_pass(handle="b")]

    pieces = [
        piece async for piece in csv_pieces(["handle"], pages(), lambda found: [found.handle])
    ]

    handles = [f"a{n}" for n in range(ROWS_AT_ONCE + 1)]
    assert [len(read(piece)) for piece in pieces] == [ROWS_AT_ONCE + 1, 1, 1]
    assert read(b"".join(pieces)) == [["handle"], *([handle] for handle in handles), ["b"]]


async def test_a_file_of_nothing_has_its_head():
    async def pages() -> AsyncIterator[list[Pass]]:
        for page in ():
            yield page

    pieces = [
        piece async for piece in csv_pieces(["handle"], pages(), lambda found: [found.handle])
    ]

    assert read(b"".join(pieces)) == [["handle"]]
