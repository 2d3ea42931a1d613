"""Sends a list of rows to a running system and follows it to its end."""

import argparse
import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import aiohttp

from services.settings import ApiSettings, LocalSettings
from shared.settings import StartUpError, read_settings

LOOK_SECONDS: Final = 0.5
PIECE: Final = 256 * 1024


class RefusedError(Exception):
    """What the system said instead of doing it."""


async def send_batch(settings: LocalSettings, arguments: argparse.Namespace) -> int:
    """Send a file, show how far its rows are, and write what became of them beside it."""
    file: Path = arguments.file
    url, key = _address(settings, arguments.url)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)
    async with aiohttp.ClientSession(url, headers={"X-API-Key": key}, timeout=timeout) as session:
        try:
            return await _follow(session, file, arguments)
        except RefusedError as error:
            return _refuse(str(error))
        except aiohttp.ClientError as error:
            return _refuse(f"{url} cannot be reached ({type(error).__name__}).")
        except OSError as error:
            return _refuse(f"{error.filename} cannot be used: {error.strerror}.")


async def _follow(session: aiohttp.ClientSession, file: Path, arguments: argparse.Namespace) -> int:
    batch = await _send(session, file, arguments)
    if arguments.dry_run:
        _say(json.dumps(batch, indent=2, ensure_ascii=False))
        return 0
    if batch["repeated"]:
        _say(f"The same file was sent before: {batch['batch_id']}. --again does it once more.")
    while batch["ended_at"] is None:
        _progress(batch)
        await asyncio.sleep(LOOK_SECONDS)
        async with session.get(f"/v1/batches/{batch['batch_id']}") as response:
            batch = await _read(response)
    sys.stderr.write("\n" if sys.stderr.isatty() else "")
    result: Path = arguments.output or file.with_name(f"{file.stem}.result.csv")
    async with session.get(f"/v1/batches/{batch['batch_id']}/result.csv") as response:
        if not response.ok:
            await _read(response)
        with result.open("wb") as output:
            async for piece in response.content.iter_chunked(PIECE):
                output.write(piece)
    _say(f"{batch['state']}: {_counts(batch)}; what became of each is in {result}")
    return 0 if batch["state"] == "finished" else 1


async def _send(
    session: aiohttp.ClientSession, file: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    query = {
        "kind": arguments.kind,
        "push": str(not arguments.no_push).lower(),
        "dry_run": str(arguments.dry_run).lower(),
        "again": str(arguments.again).lower(),
    }
    if arguments.template:
        query["template_id"] = arguments.template
    if arguments.program:
        query["program_id"] = arguments.program
    if arguments.mapping:
        query["mapping"] = arguments.mapping
    with file.open("rb") as content:
        headers = {"Content-Type": "text/csv"}
        async with session.post(
            "/v1/batches", params=query, data=content, headers=headers
        ) as response:
            return await _read(response)


async def _read(response: aiohttp.ClientResponse) -> dict[str, Any]:
    answer: dict[str, Any] = await response.json(content_type=None)
    if not response.ok:
        raise RefusedError(_reason(answer))
    return answer


def _reason(problem: dict[str, Any]) -> str:
    """Write a problem in a line: what is wrong where, if its detail does not say so."""
    faults = [f"{fault['pointer']}: {fault['detail']}" for fault in problem.get("errors", ())]
    general = problem["detail"] == problem["title"]
    return "; ".join(faults) if faults and general else problem["detail"]


def _progress(batch: dict[str, Any]) -> None:
    """Show how far it is, in one line that is written over on a terminal."""
    text = f"{batch['state']}: {_counts(batch)}"
    if batch["estimate"]:
        ends = datetime.fromisoformat(batch["estimate"]).astimezone()
        text += f", {batch['rate']:,.0f} a second, until about {ends:%H:%M:%S}"
    sys.stderr.write(f"\r\x1b[K{text}" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()


def _counts(batch: dict[str, Any]) -> str:
    return f"{batch['done']:,} of {batch['rows']:,} rows, {batch['failed']:,} failed"


def _address(settings: LocalSettings, url: str | None) -> tuple[str, str]:
    """Find the system and a key: those that are set, else the demo's."""
    given = read_settings(ApiSettings, {} if url is None else {"url": url})
    record = settings.data / "demo.json"
    demo: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    key = given.key.get_secret_value() if given.key else demo.get("api_key", "")
    if not key:
        raise StartUpError(
            f"An API key is needed: PASSWRIGHT_KEY is not set, and there is no demo in {record}."
        )
    return given.url or demo.get("base_url") or "http://localhost:8080", key


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _refuse(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return 1
