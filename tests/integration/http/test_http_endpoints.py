import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from shared.http.endpoint import routes
from shared.http.middleware import install_middleware
from shared.http.server import HttpServer
from tests.unit.http.toys import ENDPOINTS, authenticate

BETTY = {"X-API-Key": "betty"}
JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture(scope="module")
async def shop() -> AsyncIterator[ClientSession]:
    app = web.Application()
    install_middleware(app)
    app.add_routes(routes(ENDPOINTS, authenticate=authenticate))
    server = HttpServer(app, "127.0.0.1", 0)
    port = await server.start()
    async with ClientSession(f"http://127.0.0.1:{port}", headers=BETTY) as session:
        yield session
    await server.stop(1)


async def post(
    shop: ClientSession, content: object, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    given: dict[str, Any] = {"data": content} if isinstance(content, bytes) else {"json": content}
    async with shop.post("/teapots", headers={**JSON, **(headers or {})}, **given) as response:
        return response.status, await response.json(content_type=None)


async def get(shop: ClientSession, address: str) -> tuple[int, dict[str, Any]]:
    async with shop.get(address) as response:
        return response.status, await response.json(content_type=None)


async def test_handler_decides_status_and_headers(shop: ClientSession):
    async with shop.post("/teapots", json={"colour": "red"}) as response:
        content = await response.json()

    assert (response.status, response.content_type) == (201, "application/json")
    assert response.headers["Location"] == "/teapots/brown-betty"
    assert content == {"handle": "brown-betty", "colour": "red", "made_by": "betty"}


async def test_path_is_percent_decoded(shop: ClientSession):
    _, teapot = await get(shop, "/teapots/a%20%C3%BCb%25")

    assert teapot["handle"] == "a üb%"


async def test_head_is_answered_where_get_is(shop: ClientSession):
    async with shop.head("/teapots/x") as response:
        assert response.status == 200


async def test_nothing_to_say_is_204(shop: ClientSession):
    async with shop.delete("/teapots/x") as response:
        assert (response.status, await response.read()) == (204, b"")


async def test_request_without_key_is_401(shop: ClientSession):
    async with shop.get("/teapots", headers={"X-API-Key": "?"}) as response:
        content = await response.json(content_type="application/problem+json")

    assert (response.status, content["code"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "ApiKey"


async def test_key_without_scope_is_403(shop: ClientSession):
    status, content = await post(shop, b"not read", {"X-API-Key": "reader"})

    assert (status, content["code"]) == (403, "forbidden")


async def test_announced_body_over_the_limit_is_413(shop: ClientSession):
    status, content = await post(shop, b" " * 2001)

    assert (status, content["code"]) == (413, "too_large")


async def test_chunked_body_over_the_limit_is_413(shop: ClientSession):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    async with shop.post("/teapots", data=endless(), headers=JSON) as response:
        assert response.status == 413


async def test_packed_body_that_unpacks_over_the_limit_is_413(shop: ClientSession):
    packed = gzip.compress(b" " * 1_000_000)

    status, _ = await post(shop, packed, {"Content-Encoding": "gzip"})

    assert status == 413


async def test_chunked_body_within_the_limit_is_taken(shop: ClientSession):
    async def slowly() -> AsyncIterator[bytes]:
        for part in (b'{"colour"', b':"red"', b"}"):
            await asyncio.sleep(0.01)
            yield part

    async with shop.post("/teapots", data=slowly(), headers=JSON) as response:
        assert response.status == 201


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
)
async def test_body_of_another_media_type_is_415(shop: ClientSession, media: str):
    status, content = await post(shop, b"{}", {"Content-Type": media})

    assert (status, content["code"]) == (415, "unsupported_media_type")


async def test_media_type_may_name_its_charset(shop: ClientSession):
    media = {"Content-Type": 'Application/JSON; charset="UTF-8"'}

    status, _ = await post(shop, b'{"colour":"red"}', media)

    assert status == 201


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"colour":"red",}',
        b'\xff{"colour":1}',
        b"[" * 500,
        b'{"litres":NaN}',
        b'{"litres":1e400}',
        b'{"litres":-1E+999}',
        b'{"litres":1' + b"0" * 400 + b"}",
    ],
)
async def test_broken_json_is_400_with_its_position(shop: ClientSession, body: bytes):
    status, content = await post(shop, body)

    assert (status, content["code"]) == (400, "bad_request")
    assert "line 1 column" in content["detail"]


@pytest.mark.parametrize(
    ("teapot", "pointer"),
    [
        ({}, "/colour"),
        ({"colour": 3}, "/colour"),
        ({"colour": "red", "x/y": 1}, "/x~1y"),
        ({"colour": "red", "litres": 0}, "/litres"),
        ({"colour": "red", "labels": {"a": 1}}, "/labels/a"),
        ({"colour": "red", "lid": {"colour": ""}}, "/lid/colour"),
        ([], ""),
    ],
)
async def test_unacceptable_body_is_422_with_a_pointer(
    shop: ClientSession, teapot: object, pointer: str
):
    status, content = await post(shop, teapot)

    assert (status, content["code"]) == (422, "invalid")
    assert [fault["pointer"] for fault in content["errors"]] == [pointer]
    assert content["errors"][0]["detail"]


async def test_pointer_leaves_out_the_names_of_union_members(shop: ClientSession):
    parts = [{"kind": "spout", "length": 0}]

    _, content = await post(shop, {"colour": "red", "parts": parts})

    assert {fault["pointer"] for fault in content["errors"]} == {
        "/parts/0/kind",
        "/parts/0/material",
        "/parts/0/length",
    }


@pytest.mark.parametrize(
    ("value", "status"),
    [(b"5", 201), (b"5.0", 201), (b'"5"', 422), (b"true", 422), (b"5.5", 422), (b"null", 422)],
)
async def test_value_of_another_type_is_422(shop: ClientSession, value: bytes, status: int):
    spout = b'{"kind": "spout", "length": ' + value + b"}"

    answered, content = await post(shop, b'{"colour": "grey", "parts": [' + spout + b"]}")

    assert answered == status
    faults = {fault["pointer"] for fault in content.get("errors", ())}
    assert ("/parts/0/length" in faults) == (status == 422)


async def test_text_that_cannot_be_stored_is_422(shop: ClientSession):
    status, content = await post(shop, b'{"colour":"red","labels":{"a/b":"r\\u0000d"}}')
    named, _ = await post(shop, b'{"colour":"red","labels":{"\\u0000":"red"}}')
    escaped, _ = await post(shop, b'{"colour":"r\\\\u0000d"}')

    assert (status, named, escaped) == (422, 422, 201)
    assert [fault["pointer"] for fault in content["errors"]] == ["/labels/a~1b"]


@pytest.mark.parametrize(
    ("sent", "understood"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        (r'"a\"b\\c"', r"a\"b\c".replace("\\", "", 1)),
        ("x" * 255,) * 2,
    ],
)
async def test_idempotency_key_is_bare_or_quoted(shop: ClientSession, sent: str, understood: str):
    headers = {"Idempotency-Key": sent}

    async with shop.post(
        "/teapots/batch", json={"teapots": [{"colour": "red"}]}, headers=headers
    ) as response:
        content = await response.json()

    assert content == {"count": 1, "idempotency_key": understood}


@pytest.mark.parametrize("key", ["", " ", '""', "a b", "x" * 256, '"abc', '"a"b"', '"a";b=1', "ü"])
async def test_malformed_idempotency_key_is_400(shop: ClientSession, key: str):
    status, content = await post(shop, {"colour": "red"}, {"Idempotency-Key": key})

    assert (status, content["code"]) == (400, "bad_request")


async def test_query_is_parsed_and_pages_walk(shop: ClientSession):
    _, first = await get(shop, "/teapots?colours=red&colours=blue&colours=tea&limit=2")
    _, second = await get(
        shop, f"/teapots?colours=red&colours=blue&colours=tea&cursor={first['next_cursor']}"
    )

    assert [teapot["colour"] for teapot in first["data"]] == ["red", "blue"]
    assert [teapot["colour"] for teapot in second["data"]] == ["tea"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("address", "pointer"),
    [
        ("/teapots?limit=0", "?limit"),
        ("/teapots?limit=lots", "?limit"),
        ("/teapots?limit=1&limit=2", "?limit"),
        ("/teapots?colour=red", "?colour"),
        ("/teapots?cursor=junk", "?cursor"),
        ("/teapots?colours=a&colours=a%00b", "?colours"),
        ("/teapots/x?verbose=1", "?verbose"),
    ],
)
async def test_unacceptable_query_is_422(shop: ClientSession, address: str, pointer: str):
    status, content = await get(shop, address)

    assert status == 422
    assert [fault["pointer"] for fault in content["errors"]] == [pointer]


async def test_path_with_a_nul_is_400(shop: ClientSession):
    status, _ = await get(shop, "/teapots/a%00b")

    assert status == 400


async def test_raw_endpoint_reads_its_body_within_the_limit(shop: ClientSession):
    picture = {"Content-Type": "image/png"}

    async with shop.put("/pictures/x", data=b"p" * 100, headers=picture) as taken:
        assert await taken.json() == {"count": 100, "idempotency_key": None}
    async with shop.put("/pictures/x", data=b"p" * 101, headers=picture) as refused:
        assert refused.status == 413
    async with shop.put("/pictures/x", data=b"p", headers=JSON) as unknown:
        assert unknown.status == 415
