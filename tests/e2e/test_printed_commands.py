"""Every command that a document prints runs as it is printed, against the demo of `make run`."""

import asyncio
import html
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPMethod
from pathlib import Path

import aiohttp
import pytest

from tests.forking import ROOT
from tests.system import System, clean_environment, poll, start_embedded

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="There is no curl here.")

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
        environment = clean_environment(
            CURL_HOME=str(self.folder),
            PYTHONPYCACHEPREFIX=str(self.folder / "bytecode"),  # which goes with the checkout
        )
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command,
            cwd=self.folder,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate(b"a long password\n")
        text = output.decode(errors="replace")
        return Outcome(process.returncode or 0, text, errors.decode(errors="replace"))


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="passwright-checkout-"))
    folder.chmod(0o755)
    for entry in ROOT.iterdir():
        if entry.name not in {".data", ".venv"}:
            (folder / entry.name).symlink_to(entry)
    _link_environment(folder / ".venv")
    (folder / ".data").symlink_to(folder / "data")
    (folder / ".curlrc").write_text(TOLD_BY_CURL)
    system = await start_embedded(folder)
    yield Demo(folder, system)
    await asyncio.to_thread(system.stop)
    shutil.rmtree(folder)


def _link_environment(folder: Path) -> None:
    """Put the tests' own environment where `make setup` makes one, and finds it ready."""
    folder.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".ready":
            (folder / entry.name).symlink_to(entry)
    (folder / ".ready").touch()


# The page of the API

TAKING_OTHERS = frozenset({"delete_template", "delete_member"})
"""What deletes passes, too, sooner or later."""


@dataclass(frozen=True)
class Section:
    """What the page says of one operation."""

    name: str
    text: str
    command: str

    @property
    def deletes(self) -> bool:
        return f"-X {HTTPMethod.DELETE}" in self.command

    def order(self) -> tuple[bool, bool]:
        """What deletes comes later, and last what takes others along."""
        return self.deletes, self.name in TAKING_OTHERS

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
    for each in sorted(operations, key=Section.order):  # of the demo's own things
        outcome = await demo.run(f"{setting}\n{each.command}")
        if outcome.code or not each.is_told(outcome.status):
            failures[each.name] = f"{outcome.errors} {outcome.output[:300]}"

    assert failures == {}
    assert sorted(each.name for each in operations) == sorted(
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
    )


# README, --help, what `make run` says

NOT_HERE = {
    "make run": "the demo runs by it",
    "make test": "runs this test",
    "make check": "runs this test",
    "make soak": "takes as many minutes as one likes",
    "make promises": "takes hours",
    "make bench": "takes minutes, with a million passes ten",
    "make ledger": "takes half an hour",
    "docker compose": "needs Docker",
    "python -m services.": "is a service: it needs RabbitMQ, and never ends",
    ".venv/bin/python -m tests.wallet install --watch": "goes on until Ctrl-C",
    ".venv/bin/python -m tests.google serve": "goes on until Ctrl-C",
    ".venv/bin/python -m tests.contracts.write_snapshots": "writes into the checkout",
}
"""How commands begin that are not run, and why."""

HISTORY = "CHANGELOG.md"
HELPS = ("python -m services --help", "python -m tests.wallet --help")
AT_ONCE = 2
_COMMAND = re.compile(r"make$|(make|python|\.venv/bin/python|curl|docker|export|\.) ")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(text: str) -> list[str]:
    """Find the lines of blocks, and what else is indented or in backticks, that can be typed in.

    What has an ellipsis cannot: only its reader knows what belongs there.
    """
    text = re.sub(r"\\\n\s*", "", text)
    blocks = "".join(block for language, block in _BLOCK.findall(text) if not language)
    rest = _BLOCK.sub("", text)
    indented = re.findall(r"^  (\S.*)$", rest, re.MULTILINE)
    words = [" ".join(word.split()) for word in re.findall(r"`([^`]+)`", rest)]
    found = [*blocks.splitlines(), *filter(_COMMAND.match, [*indented, *words])]
    return [re.sub(r"\s+# .*", "", each) for each in found if each and "…" not in each]


async def texts_of(demo: Demo) -> dict[str, str]:
    """Read whatever prints commands, by its name."""
    log = demo.system.processes["run"].log
    await poll(lambda: "Ctrl-C ends it" in log.read_text(), "end of what `make run` says")
    files = {path.name: path.read_text() for path in ROOT.glob("*.md") if path.name != HISTORY}
    helps = {each: (await demo.run(f".venv/bin/{each}")).output for each in HELPS}
    return {"make run": log.read_text(), **files, **helps}


async def test_every_command_of_documents_and_helps_and_of_make_run_ends_well(demo: Demo):
    typed = {name: commands_of(text) for name, text in (await texts_of(demo)).items()}
    scripts: dict[str, str] = {}
    for commands in typed.values():
        settings = [each for each in commands if each.startswith(("export ", ". "))]
        scripts |= {command: "\n".join([*settings, command]) for command in commands}
    left_out = [start for start in NOT_HERE if any(each.startswith(start) for each in scripts)]

    failures: dict[str, Outcome] = {}
    turns = asyncio.Semaphore(AT_ONCE)

    async def try_out(command: str, script: str) -> None:
        async with turns:
            outcome = await demo.run(script)
        is_refused = command.startswith("curl") and not outcome.status.startswith("2")
        if outcome.code or is_refused:
            failures[command] = outcome

    async with asyncio.TaskGroup() as group:
        for command, script in scripts.items():
            if not command.startswith(tuple(NOT_HERE)):
                group.create_task(try_out(command, script))

    assert failures == {}
    assert left_out == list(NOT_HERE)
    assert {name for name in typed if typed[name]} >= {"make run", "README.md", HELPS[1]}
