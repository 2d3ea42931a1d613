"""Files as people send them, read piece by piece."""

import io
from codecs import BOM_UTF8

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.tables import (
    BLOCK_BYTES,
    MAX_CELL,
    MAX_COLUMNS,
    MAX_ROW,
    Row,
    TableError,
    TableReader,
)
from services.gateway.usecases.exports import harmless, restored, write_rows

GERMAN = "Name;Straße;Betrag\r\nMüller;Größenweg 5;12,50\r\nJäger;Äußere Straße;7\r\n"
FRENCH = "Prénom;Ville\r\nFrançois;Orléans\r\nHélène;Besançon\r\n"
RUSSIAN = "имя;город\r\nИван;Москва\r\nНаталья;Санкт-Петербург\r\n"  # noqa: RUF001
MIXED = "id;name;e-mail\r\n5f2a-1;Jürgen Groß;j.5f2a@x.de\r\n5f2a-2;Hélène;h.5f2a@x.fr\r\n"
POLES = (
    "imię;miasto\r\n" + "Łukasz;Gdańsk\r\nPaweł Dąbrowski;Częstochowa\r\nGrażyna;Rzeszów\r\n" * 9
)
JAPANESE = "名前;市\r\n山田太郎;東京都\r\n"
POLISH = "imię;miasto\r\nŁukasz;Gdańsk\r\nŻaneta;Łódź\r\n"


def read(content: bytes, piece: int = BLOCK_BYTES, charset: str | None = None) -> TableReader:
    """Read a whole file in pieces; what came of it is in `rows`."""
    reader = TableReader(charset)
    read_rows(reader, content, piece)
    return reader


def read_rows(reader: TableReader, content: bytes, piece: int = BLOCK_BYTES) -> list[Row]:
    file, rows = io.BytesIO(content), list[Row]()
    while part := file.read(piece):
        rows += reader.feed(part)
    return rows + reader.feed(b"", is_last=True)


def rows_of(content: bytes, piece: int = BLOCK_BYTES) -> list[tuple[int, list[str]]]:
    return [(row.line, row.cells) for row in read_rows(TableReader(), content, piece)]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (GERMAN, "utf-8"),
        (GERMAN, "utf-8-sig"),
        (GERMAN, "utf-16"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (FRENCH, "cp1252"),
        (FRENCH, "utf-16"),
        (MIXED, "cp1252"),
        (POLES, "cp1250"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "cp932"),
        (POLISH, "utf-8"),
    ],
)
def test_spreadsheets_of_any_country_are_understood(text: str, encoding: str):
    reader = TableReader()

    rows = read_rows(reader, text.encode(encoding), 7 if encoding.startswith("utf") else 65536)

    lines = [line.split(";") for line in text.split("\r\n")[:-1]]
    assert [list(reader.columns), *(row.cells for row in rows)] == lines
    assert reader.separator == ";"


def test_first_letter_that_is_not_ascii_may_come_late():
    content = b"name\n" + b"x\n" * 100_000 + "Jürgen\nÄnne\nGrößner\n".encode("cp1252")

    assert [cells for _, cells in rows_of(content)][-3:] == [["Jürgen"], ["Änne"], ["Größner"]]


def test_what_the_sender_calls_the_encoding_goes_before_a_guess():
    assert list(read("имя;x\n1;2\n".encode("koi8-r"), charset="koi8-r").columns) == ["имя", "x"]
    with pytest.raises(TableError, match="The charset nonsense is not known"):
        TableReader("nonsense")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_of_the_head(separator: str):
    head = f'"a;b,c|d"{separator}x{separator}y'

    reader = read(f"{head}\n1{separator}2{separator}3\n".encode())

    assert (reader.separator, list(reader.columns)) == (separator, ["a;b,c|d", "x", "y"])


def test_excels_line_for_the_separator_is_no_head():
    reader = TableReader()

    rows = read_rows(reader, b"sep=|\r\na|b,c\r\n1|2\r\n")

    assert list(reader.columns) == ["a", "b,c"]
    assert rows == [Row(3, ["1", "2"])]


def test_line_ends_may_be_mixed_and_empty_lines_and_rows_are_left_out():
    content = b"\r\n\na,b\r1,2\r\n\n3,4\n,\r\n5,6"

    assert rows_of(content) == [(4, ["1", "2"]), (6, ["3", "4"]), (8, ["5", "6"])]


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 1000])
def test_cells_may_hold_lines_quotes_and_separators_wherever_pieces_end(piece: int):
    content = b'a,b\r\n"x\r\ny","He said ""no"", twice"\r\n"",z\r\n'

    assert rows_of(content, piece) == [(2, ["x\r\ny", 'He said "no", twice']), (4, ["", "z"])]


@given(
    st.lists(
        st.lists(
            st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])),
            min_size=2,
            max_size=2,
        ),
        max_size=20,
    ),
    st.integers(1, 50),
    st.sampled_from([",", ";"]),
)
def test_what_we_write_is_read_as_it_was(rows: list[list[str]], piece: int, separator: str):
    content = BOM_UTF8 + write_rows([["a", "b"], *rows], separator)

    assert [cells for _, cells in rows_of(content, piece)] == [row for row in rows if any(row)]


@given(st.text())
def test_what_an_export_did_to_a_text_is_undone(text: str):
    assert restored(harmless(text)) == text or restored(text) != text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'a,b\n1,2\n"3,4\n5,6\n', "Line 3: a quote is not closed"),
        (b'a,b\n1,2\n3,"x"y\n', "Line 3: a quote is not closed, or stands within a cell"),
        (b'a,b\n"' + b"x,y\n" * 200_000, "Line 2: a row has at most 256 KiB: is a quote"),
        (b"a,b\n1,2\n3,\0\n", "Line 3: it holds the character NUL"),
        (b"a,b\n1," + b"x" * 1_000_000 + b"\n", "Line 2: a row has at most 256 KiB"),
        (b"a,b\n1," + b"x" * (MAX_CELL + 1) + b"\n", "Line 2: a cell has at most 64 KiB"),
        (b"," * 3_000_000, "Line 1: a row has at most 256 KiB"),
        (b",".join(b"c%d" % n for n in range(MAX_COLUMNS + 1)), "Line 1: a table has at most 200"),
        (b"a,,c\n1,2,3\n", "Line 1: column 2 has no name"),
        (b"x" * 201 + b"\n", "Line 1: the name of a column has at most 200 characters"),
        ("a\nü\nä\n".encode() + b"\xff\n", "Line 1: these or following bytes are not UTF-8"),
        (b'{"a":1}\n{"a":\n', "Line 2: it is no JSON"),
        (b'{"a":1}\n[1]\n', "Line 2: it is no JSON object"),
        (b'{"a":"\\u0000"}\n', "Line 1: it holds the character NUL"),
        (b'{"":1}\n', "Line 1: a value has no name"),
        (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "Line 1: it is a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Line 1: it is a workbook"),
        (b"\x1f\x8b\x08\0", "Line 1: it is packed"),
        (b' [\n {"a": 1}]', "Line 1: it is a JSON list"),
        (b'{"a":"' + b"x" * MAX_ROW + b'"}\n', "Line 1: a row has at most 256 KiB"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(content: bytes, said: str):
    with pytest.raises(TableError) as refused:
        read(content)

    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    "charset", ["nonsense", "utf-7", "hex", "rot13", "punycode", "unicode_escape", "undefined", ""]
)
def test_what_is_no_character_set_is_refused(charset: str):
    with pytest.raises(TableError, match="is not known"):
        TableReader(charset)


@pytest.mark.parametrize("charset", ["utf-16", "utf-32", "shift_jis", "ascii"])
def test_bytes_that_are_not_what_the_sender_says_are_refused(charset: str):
    with pytest.raises(TableError, match="Line 1: these or following bytes are not"):
        TableReader(charset).feed(b"name\n\xff\xfd\x80" + b"x" * 90, is_last=True)


def test_200_columns_are_not_too_many():
    head = ",".join(f"c{n}" for n in range(MAX_COLUMNS)).encode()

    assert len(read(head + b"\n" + head).columns) == MAX_COLUMNS


def test_columns_that_a_spreadsheet_has_emptied_are_none():
    assert list(read(b"a;b;;;\n1;2;;;\n").columns) == ["a", "b"]


def test_what_nobody_sees_is_no_part_of_a_name():
    content = "\ufeff\ufeffexternal_id,\u00a0name\u200b , Prénom \n1,2,3\n"

    assert list(read(content.encode()).columns) == ["external_id", "name", "Prénom"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b", b"a,b\r\n", b"a,b\n,\n\n", BOM_UTF8])
def test_file_without_rows_has_none(content: bytes):
    assert rows_of(content) == []


@pytest.mark.parametrize("piece", [1, 4, 1000])
def test_json_lines_have_the_columns_that_come(piece: int):
    reader = TableReader()
    content = '{"a":"ü","b":[1]}\n\n{"c":null}'.encode("utf-8-sig")

    rows = read_rows(reader, content, piece)

    assert rows == [Row(1, {"a": "ü", "b": [1]}), Row(3, {"c": None})]
    assert list(reader.columns) == ["a", "b", "c"]
