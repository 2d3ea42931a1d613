"""Every command that a document prints runs as it is printed, against the demo of `make run`."""

import asyncio
import html
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPMethod
from pathlib import Path

import aiohttp
import pytest

from tests.system import ROOT, System, clean_environment, poll, start_embedded

TOLD_BY_CURL = 'silent\nwrite-out = "%{stderr}%{http_code}"\n'
"""A .curlrc that has the status told without a change to the command."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    output: str
    errors: str

    @property
    def status(self) -> str:
        """What curl told."""
        return self.errors[-3:]


@dataclass(frozen=True)
class Demo:
    """A checkout in which `make run` is running, as a newcomer has it."""

    folder: Path
    system: System

    async def run(self, command: str) -> Outcome:
        """Type a command into a shell in the checkout."""
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command,
            cwd=self.folder,
            env=clean_environment(CURL_HOME=str(self.folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        text = output.decode(errors="replace")
        return Outcome(process.returncode or 0, text, errors.decode(errors="replace"))


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="passwright-checkout-"))
    folder.chmod(0o755)
    for entry in ROOT.iterdir():
        if entry.name != ".data":
            (folder / entry.name).symlink_to(entry)
    (folder / ".data").symlink_to(folder / "data")
    (folder / ".curlrc").write_text(TOLD_BY_CURL)
    system = await start_embedded(folder)
    yield Demo(folder, system)
    await asyncio.to_thread(system.stop)
    shutil.rmtree(folder)


# The page of the API


@dataclass(frozen=True)
class Section:
    """What the page says of one operation."""

    name: str
    text: str
    command: str

    @property
    def deletes(self) -> bool:
        return f"-X {HTTPMethod.DELETE}" in self.command

    def is_told(self, status: str) -> bool:
        """Whether the page lists the status as a success, or says in words when it is answered."""
        words = " ".join(re.findall(r"<p>(.*?)</p>", self.text, re.DOTALL))
        return (
            f'status s2">{status}<' in self.text or re.search(rf"\b{status}\b", words) is not None
        )


def printed(page: str) -> list[str]:
    found = re.findall(r'<pre class="command"[^>]*><code>(.*?)</code></pre>', page, re.DOTALL)
    return [html.unescape(command) for command in found]


def sections(page: str) -> list[Section]:
    articles = re.findall(r'<article id="(\w+)"(.*?)</article>', page, re.DOTALL)
    return [Section(name, text, command) for name, text in articles for command in printed(text)]


async def test_every_command_of_the_page_of_the_api_is_answered_as_the_page_says(demo: Demo):
    async with aiohttp.ClientSession(demo.system.base_url) as session:
        page = await (await session.get("/docs")).text()
        document = await (await session.get("/openapi.json")).json()
    (setting,) = printed(page.partition("<article")[0])
    operations = sections(page)

    failures: dict[str, str] = {}
    for each in sorted(operations, key=lambda one: one.deletes):  # of the demo's own things
        outcome = await demo.run(f"{setting}\n{each.command}")
        if outcome.code or not each.is_told(outcome.status):
            failures[each.name] = f"{outcome.errors} {outcome.output[:300]}"

    assert failures == {}
    assert sorted(each.name for each in operations) == sorted(
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
    )


# What `make run` says


async def test_every_command_that_make_run_prints_is_answered(demo: Demo):
    log = demo.system.processes["run"].log
    await poll(lambda: "Ctrl-C" in log.read_text(), "end of what it says")
    commands = re.findall(r"^  (curl (?:.*\\\n)*.*)$", log.read_text(), re.MULTILINE)

    outcomes = {command: await demo.run(command) for command in commands}

    assert len(commands) == 3
    assert {
        command: outcome
        for command, outcome in outcomes.items()
        if outcome.code or not outcome.status.startswith("2")
    } == {}
