"""A table becomes links without the server, row by row, by the key that was exported."""

import csv
import io
import json
import stat
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from services.offline_links import make_links
from shared.passes.links.tokens import LinkClaims, LinkSealer
from shared.sealing import write_base64url
from shared.settings import StartUpError

KEY: Final = bytes(range(32))
BASE: Final = f"https://passes.example/c/{UUID(int=1)}"
SEALER: Final = LinkSealer(KEY, account_id=UUID(int=2), program_id=UUID(int=1))
KEY_FILE: Final[dict[str, Any]] = {
    "program_id": str(UUID(int=1)),
    "account_id": str(UUID(int=2)),
    "template_id": str(UUID(int=3)),
    "name": "Mailing",
    "auto_fill_external_id": "email",
    "create_on": "visit",
    "valid_days": None,
    "one_time": False,
    "default_region": "DE",
    "created_at": "2026-11-27T00:00:00Z",
    "updated_at": "2026-11-27T00:00:00Z",
    "base_url": BASE,
    "key_id": SEALER.key_id,
    "key": write_base64url(KEY),
    "template_name": "A card",
    "organization_name": "Cards",
    "template": {"pass": {"description": "A card", "generic": {}}, "properties": {"seat": ""}},
}


class Desk:
    """A folder with a key file, in which tables become links."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.result = folder / "links.csv"
        self.key_file = folder / "key.json"
        self.key_file.write_text(json.dumps(KEY_FILE))

    def make(self, table: str | bytes) -> int:
        source = self.folder / "table.csv"
        source.write_bytes(table if isinstance(table, bytes) else table.encode())
        return make_links(source, self.key_file, self.result)

    def rows(self) -> list[dict[str, str]]:
        text = self.result.read_bytes().decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def claims(self) -> list[LinkClaims | None]:
        tokens = [row["link"].removeprefix(f"{BASE}?data=") for row in self.rows()]
        return [LinkClaims.read(SEALER.open(token) or b"") for token in tokens]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_each_row_gets_its_link_beside_all_its_columns(desk: Desk):
    code = desk.make("person.displayName,email,Meta.Seat\r\nPercy,percy@example.com,12A\r\n")

    assert code == 0
    (row,) = desk.rows()
    assert list(row) == ["person.displayName", "email", "Meta.Seat", "link", "error"]
    (claims,) = desk.claims()
    assert claims is not None
    assert claims.member == {"name": "Percy", "email": "percy@example.com"}
    assert claims.values == {"seat": "12A"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found_out_and_a_byte_order_mark_is_none_of_the_names(
    separator: str, desk: Desk
):
    desk.make(f"\ufeffname{separator}seat\nPercy{separator}12A\n\n".encode())

    assert [row["name"] for row in desk.rows()] == ["Percy"]


def test_a_row_that_fails_says_why_and_the_others_have_their_links(desk: Desk):
    code = desk.make("name,phone\nPercy,0171 2345678\nLaura,call me\nLoopy,1,2\n=1+1,\n")

    errors = [row["error"] for row in desk.rows()]
    assert code == 1
    assert [bool(row["link"]) for row in desk.rows()] == [True, False, False, True]
    assert errors[1].startswith("member/phone: ")
    assert errors[2] == "more cells than the head row has"
    assert desk.rows()[3]["name"] == "'=1+1"


def test_only_the_owner_may_read_the_result(desk: Desk):
    desk.make("name\nPercy\n")

    assert stat.S_IMODE(desk.result.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "head row"),
        ("name,name\n", "head row"),
        ("name,,email\n", "column 2 has no name"),
        (",".join(f"c{n}" for n in range(201)), "at most 200 columns"),
        ("name,nothing\nPercy,1\n", "nothing of the name nothing"),
        ('name\n"Percy\n', "Line 2: a quote is not closed"),
        (b"name\nPercy\0\n", "Line 2: it holds the character NUL"),
        ('{"name":"Percy"}\n', "not JSON lines"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused_in_one_sentence(
    table: str | bytes, says: str, desk: Desk
):
    with pytest.raises(StartUpError, match=says):
        desk.make(table)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16"])
def test_tables_are_read_as_spreadsheets_save_them(encoding: str, desk: Desk):
    desk.make("name;seat\r\nJürgen Groß;12A\r\nHélène;\r\n".encode(encoding))

    assert [row["name"] for row in desk.rows()] == ["Jürgen Groß", "Hélène"]
    assert [row["error"] for row in desk.rows()] == ["", ""]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": write_base64url(KEY[:16])}, "no key file"),
        ({"key": "not base64url"}, "no key file"),
        ({"template": []}, "no key file"),
        ({"program_id": "mine"}, "no key file"),
        ({"key": write_base64url(KEY[::-1])}, "another key than it names"),
    ],
)
def test_what_is_no_key_file_is_refused(changes: dict[str, Any], says: str, desk: Desk):
    desk.key_file.write_text(json.dumps(KEY_FILE | changes))

    with pytest.raises(StartUpError, match=says):
        desk.make("name\nPercy\n")


def test_a_file_that_is_not_there_is_named(desk: Desk):
    with pytest.raises(StartUpError, match=r"absent\.csv: No such file"):
        make_links(desk.folder / "absent.csv", desk.key_file, None)
