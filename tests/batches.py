"""Sends lists of rows, and reads what became of them, as clients do."""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp

from tests.system import poll

PIECE = 256 * 1024
LONG = aiohttp.ClientTimeout(total=1800)


async def send(
    session: aiohttp.ClientSession,
    content: bytes | AsyncIterator[bytes],
    expect: int = 202,
    **query: str,
) -> dict[str, Any]:
    data = io.BytesIO(content) if isinstance(content, bytes) else content
    headers = {"Content-Type": "text/csv"}
    async with session.post(
        "/v1/batches", params=query, data=data, headers=headers, timeout=LONG
    ) as response:
        answer = await response.json(content_type=None)
        assert response.status == expect, answer
        return answer


async def read(session: aiohttp.ClientSession, batch_id: str) -> dict[str, Any]:
    async with session.get(f"/v1/batches/{batch_id}") as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer


async def ended(
    session: aiohttp.ClientSession, batch_id: str, seconds: float = 90
) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        batch = await read(session, batch_id)
        return batch if batch["ended_at"] else None

    return await poll(look, "end of the batch", seconds)


async def result(
    session: aiohttp.ClientSession, batch_id: str, name: str = "result", separator: str = ","
) -> list[dict[str, str]]:
    content = b"".join([piece async for piece in pieces_of_result(session, batch_id, name)])
    text = content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


async def pieces_of_result(
    session: aiohttp.ClientSession, batch_id: str, name: str = "result"
) -> AsyncGenerator[bytes]:
    async with session.get(f"/v1/batches/{batch_id}/{name}.csv", timeout=LONG) as response:
        assert response.status == 200, await response.text()
        async for piece in response.content.iter_chunked(PIECE):
            yield piece
