"""What PassSource's dialect writes and reads, without a gateway."""

import asyncio
import time

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from services.gateway.routes.passsource.words import ParameterError, Words, read_words
from shared.passes.template.constructor import read_constructor, write_constructor


def words(**values: object) -> Words:
    return Words({}, values, {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("1", True), (True, True), ("FALSE", False), ("", False)],
)
def test_truth_is_written_in_many_ways(value: object, expected: bool):  # noqa: FBT001
    assert words(it=value).flag("it") is expected


@pytest.mark.parametrize("value", ["x", "1.5", "99999999999", "-", "\u0661", [1]])
def test_what_is_no_number_is_refused(value: object):
    with pytest.raises(ParameterError):
        words(it=value).number("it", 0, 0)


@pytest.mark.parametrize("charset", ["windows-1252", "punycode", "idna", "no such", ""])
async def test_text_is_read_in_a_character_set_and_in_no_other_encoding(charset: str):
    assert (await read_form(b"a=%84x", charset)).values == {"a": "\u201ex"}


async def test_half_a_character_is_let_through_by_no_charset():
    assert (await read_form(b"a=%2B2AA-", "utf-7")).values == {"a": "+2AA-"}


async def test_no_charset_makes_a_long_text_take_long():
    started = time.process_time()
    await read_form(b"a=" + b"b" * 100_000 + b"-" + b"c" * 100_000, "punycode")

    assert time.process_time() - started < 1  # decoded as Punycode it takes six seconds


async def read_form(content: bytes, charset: str) -> Words:
    stream = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**20)
    stream.feed_data(content)
    stream.feed_eof()
    media = f"application/x-www-form-urlencoded; charset={charset}"
    headers = {"Content-Type": media, "Content-Length": str(len(content))}
    return await read_words(make_mocked_request("POST", "/api/x", headers, payload=stream))


def test_attribute_objects_are_read_in_our_words():
    document = read_constructor(
        {
            "generic": {
                "primaryFields": [
                    {
                        "key": "a",
                        "value": {
                            "PSValue": "x",
                            "PSEditable": "1",
                            "PSLabel": "A",
                            "PSAttributeType": "PSAttributeTypeDropdown",
                            "PSOptions": {"One": "1"},
                        },
                    }
                ]
            },
            "serialNumber": "9",
            "own": 1,
            "triggers": {"onScan": {}},
        }
    )

    field = document.pass_["generic"]["primaryFields"][0]
    assert field["value"] == {
        "value": "x",
        "editable": True,
        "label": "A",
        "type": "PSAttributeTypeDropdown",
        "options": {"One": "1"},
    }
    assert document.properties == {"own": 1}
    assert document.triggers == {"onScan": {}}
    assert read_constructor(write_constructor(document)) == document
