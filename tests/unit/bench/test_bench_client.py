"""The client of the bench reads every answer to its end, where the next one begins."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.bench.client import Wire, measure, open_wires

NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"


@asynccontextmanager
async def a_server(*answers: bytes) -> AsyncGenerator[str]:
    """Give these answers to the requests of each connection, whatever they ask."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def bodies(*answers: bytes) -> list[bytes]:
    """Read answers, and one more behind them."""
    async with a_server(*answers, NEXT) as url:
        with open_wires(1, url) as (wire,):
            return [(await wire.get("/")).body for _ in range(len(answers) + 1)]


async def test_a_body_ends_where_its_length_says():
    assert await bodies(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab") == [b"ab", b"next"]


async def test_a_body_in_chunks_is_put_together_and_its_trailers_are_skipped():
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;note=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nDigest: x\r\n\r\n"
    )
    assert await bodies(chunked) == [b"abc0123456789", b"next"]


async def test_a_304_and_a_204_have_no_body_whatever_length_they_name():
    assert await bodies(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ) == [b"", b"", b"next"]


async def test_headers_are_found_by_their_whole_name():
    head = (
        b"HTTP/1.1 200 OK\r\nX-Last-Modified: no\r\nlast-modified: then\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    async with a_server(head) as url:
        with open_wires(1, url) as (wire,):
            answer = await wire.get("/")
    assert (answer.header("Last-Modified"), answer.header("ETag")) == ("then", "")


async def test_what_warms_up_does_not_count_and_a_row_ends_when_jobs_do():
    done: list[int] = []

    async def act(_wire: Wire, job: int) -> None:
        done.append(job)

    measured = await measure([Wire("http://nobody")], range(10), act, seconds=60, warming_up=4)

    assert done == list(range(10))
    assert len(measured.latencies) == 6
