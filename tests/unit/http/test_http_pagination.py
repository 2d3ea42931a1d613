import pytest
from pydantic import ValidationError

from shared.http.pagination import InvalidCursorError, PageQuery, decode_cursor, encode_cursor


def test_cursor_comes_back_as_it_went():
    position = {"after": "0198f3c2", "at": 3}

    assert decode_cursor(encode_cursor(position)) == position


def test_cursor_fits_into_an_address_unescaped():
    cursor = encode_cursor({"text": "???>>>ÿÿÿ"})

    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("junk", ["", "x", "!!!!", "bm90IGpzb24", "WzFd", "ü", "A" * 513, "e30=="])
def test_junk_is_no_cursor(junk: str):
    with pytest.raises(InvalidCursorError) as caught:
        decode_cursor(junk)

    assert caught.value.errors[0]["pointer"] == "?cursor"


def test_long_position_makes_no_cursor():
    with pytest.raises(ValueError, match="short"):
        encode_cursor({"text": "x" * 4000})


@pytest.mark.parametrize("limit", [0, 251, "many"])
def test_page_has_one_to_250_items(limit: object):
    with pytest.raises(ValidationError):
        PageQuery.model_validate({"limit": limit})


def test_page_has_50_items_unless_asked():
    assert PageQuery.model_validate({}).limit == 50
