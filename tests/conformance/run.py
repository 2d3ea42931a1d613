"""Runs schemathesis against a system, and reads what it found."""

import asyncio
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.world import World
from tests.forking import ROOT
from tests.system import clean_environment

SEED = 1
METHOD_NOT_ALLOWED = 405
PROBABILITY = 0.8
"""How often a parameter names something that is there."""

BODY_ONLY = {"pem"}
QUERY = ("templateHash", "clientHash", "hashedSerialNumber")
BODY = (
    "template_id", "member_id", "identity_id", "pem", "style_id", "pass_style_id", "style_group_id",
)  # fmt: skip


@dataclass
class Report:
    """What a run did, and what it found."""

    examples: int = 0
    failures: list[str] = field(default_factory=list[str])
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """Operation → how often which status was answered."""
    output: str = ""
    exit_code: int = 0

    @property
    def server_errors(self) -> int:
        """Count answers that say something failed on our side."""
        return sum(n for seen in self.statuses.values() for s, n in seen.items() if s >= 500)

    @property
    def never_done(self) -> list[str]:
        """List the operations that were only ever refused."""
        return sorted(n for n, seen in self.statuses.items() if min(seen) >= 400)


async def compare(
    world: World,
    folder: Path,
    *,
    examples: int,
    phases: Sequence[str] = ("coverage", "fuzzing"),
    without: Sequence[str] = (),
) -> Report:
    """Hold the system against its document, but for the operations `without`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "world.json").write_text(json.dumps(asdict(world)))
    settings, found = folder / "schemathesis.toml", folder / "found.ndjson"
    environment = clean_environment(
        PYTHONPATH=str(ROOT), CONFORMANCE_WORLD=str(folder / "world.json")
    )
    settings.write_text("\n".join(write_settings(world)) + "\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings),
        "run", f"{world.base_url}/openapi.json",
        "--phases", ",".join(phases), "--max-examples", str(examples),
        *(f"--exclude-operation-id={name}" for name in without),
        "--seed", str(SEED), "--generation-deterministic",
        "--continue-on-failure", "--no-color", "--report-ndjson-path", str(found),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert found.exists(), output.decode()
    report = read_report(found)
    report.output, report.exit_code = output.decode(), process.returncode or 0
    return report


def write_settings(world: World) -> Iterator[str]:
    """Write the settings of a run, beside schemathesis.toml, which has those of every run."""
    yield (Path(__file__).parent / "schemathesis.toml").read_text()
    if world.credentials:
        yield "[auth.openapi]"
    for scheme, text in world.credentials.items():
        yield f"{scheme} = {{ api_key = {json.dumps(text)} }}"
    yield "[dictionaries]"
    for name, values in world.values.items():
        yield f"{name} = {{ values = {json.dumps(values)} }}"
    for name, values in world.spare.items():
        yield f"spare_{name} = {{ values = {json.dumps(values)} }}"
    yield "[parameters]"
    for name in world.values.keys() - BODY_ONLY:
        yield from bind(name, "query" if name in QUERY else "path", name)
    for name in BODY:
        yield from bind(name, "body", name)
    yield "[[operations]]"
    yield 'include-method = "DELETE"'
    yield "[operations.parameters]"
    for name in world.spare:
        yield from bind(name, "path", f"spare_{name}")


def bind(name: str, location: str, dictionary: str) -> Iterator[str]:
    """Let a parameter take its values from a dictionary, mostly."""
    yield (f'"{location}.{name}" = {{ dictionary = "{dictionary}", probability = {PROBABILITY} }}')


def read_report(found: Path) -> Report:
    """Read the events of a run."""
    report = Report()
    for line in found.read_text().splitlines():
        event: dict[str, Any] = json.loads(line).get("ScenarioFinished", {})
        recorder: dict[str, Any] = event.get("recorder", {})
        cases: dict[str, Any] = recorder.get("cases", {})
        for case_id, interaction in recorder.get("interactions", {}).items():
            report.examples += 1
            if response := interaction["response"]:
                name, status = operation_of(cases[case_id]), response["status_code"]
                if status != METHOD_NOT_ALLOWED:
                    report.statuses[name][status] += 1
        for case_id, checks in recorder.get("checks", {}).items():
            report.failures += [
                f"{operation_of(cases[case_id])}: {check['name']}"
                for check in checks
                if check["status"] == "failure"
            ]
    return report


def operation_of(case: dict[str, Any]) -> str:
    """Name the operation that a case asked for."""
    return f"{case['value']['method']} {case['value']['path']}"
