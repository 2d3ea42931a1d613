import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import ClientError, ClientSession, web
from structlog.testing import capture_logs

from shared import metrics
from shared.http.docs import docs_routes
from shared.http.endpoint import routes
from shared.http.middleware import install_middleware
from shared.http.openapi import openapi_document
from shared.http.server import HttpServer, operational_routes
from tests.unit.http.toys import ENDPOINTS, authenticate

DOCUMENT = openapi_document(ENDPOINTS, title="Teapots", version="1", description="A shop.")


@pytest_asyncio.fixture(scope="module")
async def checks() -> dict[str, bool]:
    return {"database": True}


@pytest_asyncio.fixture(scope="module")
async def shop(checks: dict[str, bool]) -> AsyncIterator[ClientSession]:
    async def ready() -> Mapping[str, bool]:
        return checks

    app = web.Application()
    install_middleware(app)
    app.add_routes(routes(ENDPOINTS, authenticate=authenticate))
    app.add_routes(docs_routes(DOCUMENT))
    app.add_routes(operational_routes({"service": "shop"}, ready, metrics.render))
    server = HttpServer(app, "127.0.0.1", 0)
    port = await server.start()
    async with ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session
    await server.stop(1)


Connections = list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


@asynccontextmanager
async def connections(port: int, count: int) -> AsyncGenerator[Connections]:
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    yield opened
    for _, writer in opened:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)


async def test_client_that_does_not_finish_its_first_head_is_let_go():
    server = HttpServer(web.Application(), "127.0.0.1", 0, head_seconds=0.05)
    port = await server.start()
    async with asyncio.timeout(10), connections(port, 3) as opened:
        for _, writer in opened[1:]:
            writer.write(b"GET / HTTP/1.1\r\nHost: a")

        rests = [await reader.read() for reader, _ in opened]

    assert rests == [b""] * 3
    await server.stop(1)


async def test_silent_connections_shut_nobody_out():
    server = HttpServer(web.Application(), "127.0.0.1", 0, most_connections=5)
    port = await server.start()

    async with (
        asyncio.timeout(10),
        connections(port, 20) as silent,
        ClientSession(f"http://127.0.0.1:{port}") as session,
        session.get("/") as response,
    ):
        oldest = await silent[0][0].read()

    assert (response.status, oldest) == (404, b"")
    await server.stop(1)


async def test_connection_that_waits_for_its_answer_is_not_given_up_for_others():
    begun, released = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        begun.set()
        await released.wait()
        return web.Response(text="done")

    app = web.Application()
    app.add_routes([web.get("/slow", slow)])
    server = HttpServer(app, "127.0.0.1", 0, most_connections=2)
    port = await server.start()
    async with asyncio.timeout(10), ClientSession(f"http://127.0.0.1:{port}") as session:
        waiting = asyncio.create_task(session.get("/slow"))
        await begun.wait()
        async with connections(port, 10) as silent:
            oldest = await silent[0][0].read()
            released.set()
            async with await waiting as response:
                assert (await response.text(), oldest) == ("done", b"")
    await server.stop(1)


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/nowhere", 404, "address_not_found"),
        ("/teapots/broken", 404, "teapot_not_found"),
        ("/fail/conflict", 409, "conflict"),
        ("/fail/bug", 500, "internal_error"),
        ("/fail/away", 503, "unavailable"),
        ("/fail/slow", 503, "unavailable"),
        ("/fail/reset", 503, "unavailable"),
    ],
)
async def test_failure_is_a_problem(shop: ClientSession, address: str, status: int, code: str):
    with capture_logs():
        async with shop.get(address) as response:
            content = await response.json(content_type="application/problem+json")

    assert (response.status, content["status"], content["code"]) == (status, status, code)
    assert content["type"] == f"/problems/{code}"
    assert response.headers.get("Retry-After") == ("1" if status == 503 else None)


async def test_bug_tells_nothing_to_the_client_and_all_to_the_log(shop: ClientSession):
    with capture_logs() as lines:
        async with shop.get("/fail/bug") as response:
            text = await response.text()

    assert "secret recipe" not in text
    assert [line["event"] for line in lines] == ["request_failed", "request"]
    assert (lines[0]["kind"], bool(lines[0]["trace"])) == ("RuntimeError", True)
    assert "secret recipe" not in str(lines)


async def test_wrong_method_is_405_and_says_which_are_right(shop: ClientSession):
    async with shop.patch("/teapots") as response:
        content = await response.json(content_type="application/problem+json")

    assert (response.status, content["code"]) == (405, "method_not_allowed")
    assert set(response.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_redirect_passes(shop: ClientSession):
    async with shop.get("/fail/redirect", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/teapots")


async def test_page_renders_its_own_errors(shop: ClientSession):
    async with shop.get("/fail/page") as response:
        assert (response.status, response.content_type) == (404, "text/html")
        assert "Content-Security-Policy" in response.headers


@pytest.mark.parametrize("address", ["/page", "/teapots/x", "/nowhere", "/leaves/end", "/health"])
async def test_every_response_carries_safe_headers(shop: ClientSession, address: str):
    async with shop.get(address) as response:
        headers = response.headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert ("Content-Security-Policy" in headers) == (address == "/page")


@pytest.mark.parametrize(
    ("sent", "is_kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 129, False)]
)
async def test_request_id_is_kept_if_sane(shop: ClientSession, sent: str, *, is_kept: bool):
    async with shop.get("/teapots/x", headers={"X-Request-Id": sent}) as response:
        assert (response.headers["X-Request-Id"] == sent) == is_kept


async def test_request_is_logged_in_one_line_without_what_is_private(shop: ClientSession):
    with capture_logs() as lines:
        async with shop.get("/teapots/secret-handle?verbose=private"):
            pass

    assert [line["event"] for line in lines] == ["request"]
    assert set(lines[0]) == {"event", "log_level", "method", "route", "status", "ms"}
    assert (lines[0]["route"], lines[0]["status"]) == ("/teapots/{handle}", 422)


async def test_requests_are_counted_by_route_template(shop: ClientSession):
    async with (
        shop.get("/teapots/one"),
        shop.get("/nothing/here"),
        shop.get("/metrics") as response,
    ):
        text = await response.text()

    assert 'route="/teapots/{handle}",status="200"' in text
    assert 'route="(unmatched)",status="404"' in text
    assert "nothing/here" not in text


async def test_stream_is_sent_whole(shop: ClientSession):
    async with shop.get("/leaves/end") as response:
        assert await response.text() == "oolong\n"


@pytest.mark.parametrize(("end", "errors"), [("crash", 1), ("reset", 0)])
async def test_broken_stream_is_not_taken_for_whole(shop: ClientSession, end: str, errors: int):
    with capture_logs() as lines, pytest.raises(ClientError):
        async with shop.get(f"/leaves/{end}") as response:
            await response.read()
    failures = [line for line in lines if line["event"] == "request_failed"]

    assert len(failures) == errors


async def test_client_that_leaves_a_stream_is_no_error(shop: ClientSession):
    with capture_logs() as lines:
        async with shop.get("/leaves/never") as response:
            await response.content.readany()
            response.close()
        async with asyncio.timeout(5):
            while not lines:
                await asyncio.sleep(0.01)

    assert [(line["event"], line["status"]) for line in lines] == [("request", 499)]


async def test_health_and_readiness_are_told_apart(shop: ClientSession, checks: dict[str, bool]):
    checks["database"] = False
    try:
        async with shop.get("/health") as health, shop.get("/ready") as ready:
            assert (health.status, await health.json()) == (
                200,
                {"status": "ok", "service": "shop"},
            )
            assert ready.status == 503
            assert await ready.json() == {"ready": False, "checks": {"database": False}}
    finally:
        checks["database"] = True
    async with shop.get("/ready") as ready:
        assert ready.status == 200


async def test_docs_are_served_with_their_stylesheet(shop: ClientSession):
    async with shop.get("/docs") as page, shop.get("/docs/style.css") as style:
        assert (page.content_type, style.content_type) == ("text/html", "text/css")
        assert 'href="/docs/style.css"' in await page.text()
    async with shop.get("/docs", headers={"If-None-Match": page.headers["ETag"]}) as again:
        assert again.status == 304


async def test_document_is_served(shop: ClientSession):
    async with shop.get("/openapi.json") as response:
        assert await response.json() == DOCUMENT


async def test_type_of_a_problem_leads_to_its_explanation(shop: ClientSession):
    async with shop.get("/problems/teapot_not_found", allow_redirects=False) as known:
        assert known.headers["Location"] == "/docs#problem-teapot_not_found"
    async with shop.get("/problems/unheard_of") as unknown:
        assert unknown.status == 404


async def test_server_finishes_running_requests_before_it_stops():
    has_begun = asyncio.Event()

    async def take_a_while(_request: web.Request) -> web.Response:
        has_begun.set()
        await asyncio.sleep(0.2)
        return web.Response(text="done")

    app = web.Application()
    app.add_routes([web.get("/", take_a_while)])
    server = HttpServer(app, "127.0.0.1", 0)
    port = await server.start()
    async with ClientSession() as session:
        running = asyncio.create_task(session.get(f"http://127.0.0.1:{port}/"))
        await has_begun.wait()
        await server.stop(5)
        response = await running

        assert await response.text() == "done"
        with pytest.raises(ClientError):
            await session.get(f"http://127.0.0.1:{port}/")


async def test_two_servers_share_a_port_if_asked():
    first = HttpServer(web.Application(), "127.0.0.1", 0, reuse_port=True)
    port = await first.start()
    second = HttpServer(web.Application(), "127.0.0.1", port, reuse_port=True)
    third = HttpServer(web.Application(), "127.0.0.1", port)

    assert await second.start() == port
    with pytest.raises(OSError, match="in use"):
        await third.start()
    await first.stop(0)
    await second.stop(0)
