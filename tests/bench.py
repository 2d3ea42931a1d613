"""Measures the distributed system on this machine, in one run, against `openssl speed rsa2048`."""

import asyncio
import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import uvloop

from services.demo import TEMPLATE
from services.generator.domain import IdentitySigner, TemplateBundle, render
from shared.contracts.gateway import ImageReference
from shared.contracts.triggers import Pass
from shared.identifiers import new_handle, new_id, new_serial
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.tokens import PassTokens
from shared.passes.language.conditions import compile_condition
from shared.passes.language.state import IssuerFacts, PassState
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument
from tests.bench_deliveries import AT_ONCE, PARTNERS, measure_changes, measure_webhooks
from tests.system import System, a_distributed_system
from tests.wallet.changes import PHONES

SECONDS = 8.0
SINGLES_AT_ONCE = 128
PLURALS_AT_ONCE = 6
ROWS = 500
PLURALS = 40
SCANS_AT_ONCE = 64
SCANNED = 2000
WARMING_UP = 500
POINTS = "structure_headerFields_points_value"
CONDITIONS = (
    "!registered",
    "scanned",
    f"{{{POINTS}}} > 20",
    f"{{{POINTS}}} !isEmpty",
    '{structure_secondaryFields_name_value} = "Member 7"',
    f'{{passType}} = "storeCard" AND {{{POINTS}}} !< 10 OR (installed AND !deleted)',
)
"""Those of the reference's tutorials."""


class Wire:
    """A keep-alive HTTP/1.1 client that costs little: the clients share the machine's two cores."""

    def __init__(self, base_url: str, api_key: str) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "localhost", parts.port or 80
        self._head = f"Host: {self._host}\r\nX-API-Key: {api_key}\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: bytes, key: str | None = None) -> tuple[int, bytes]:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        extra = f"Idempotency-Key: {key}\r\n" if key else ""
        self._writer.write(
            f"POST {path} HTTP/1.1\r\n{self._head}{extra}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        answer = await self._reader.readexactly(int(length[1]) if length else 0)
        return int(head[9:12]), answer

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def openssl_rsa_per_second() -> float:
    """R: signatures per second of one core."""
    if shutil.which("openssl") is None:
        raise SystemExit("openssl is needed to measure R: apt-get install openssl")
    output = subprocess.run(
        ["openssl", "speed", "-seconds", "3", "rsa2048"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    line = next(line for line in output.splitlines() if line.startswith("rsa 2048"))
    return float(line.split()[-2])


def kernel_per_second() -> float:
    """Composing, hashing and signing, ready to be stored, on one core."""
    now = datetime.now(UTC)  # noqa: TID251 - a measurement, not business
    identity = DevelopmentAuthority.create(now).issue("pass.bench", "BENCHTEAM1", "Bench", now)
    signer = IdentitySigner(identity, 1)
    image = ImageReference(sha256="0" * 64, sha1="0" * 40, crc32=1, size=1)
    images = {f"{name}.png": image for name in ("icon", "icon@2x", "logo", "logo@2x", "strip")}
    document = TemplateDocument.model_validate(
        {key: TEMPLATE[key] for key in ("pass", "properties", "triggers", "barcode_policy")}
    )
    bundle = TemplateBundle(
        new_id(),
        1,
        compile_template(document, name="Bench", organization="Bench"),
        images,
        {},
        {},
        {name: one.sha1 for name, one in images.items()},
        IssuerFacts("pass.bench", "BENCHTEAM1", "Bench", "https://passes.example/wallet"),
        signer,
        PassTokens([bytes(32)]),
    )
    passes = [
        Pass(
            handle=new_handle(),
            account_id=new_id(),
            template_id=bundle.template_id,
            serial_number=new_serial(),
            version=1,
            values={POINTS: n},
            member={"name": f"Member {n}", "tier": "Gold"},
            created_at=now,
            updated_at=now,
        )
        for n in range(500)
    ]
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < 3:
        for pass_ in passes:
            render(bundle, pass_, None, now)
        count += len(passes)
    return count / (time.perf_counter() - started)


def evaluations_per_second() -> float:
    """Compiled conditions asked of passes, on one core."""
    now = datetime.now(UTC)  # noqa: TID251 - a measurement, not business
    document = TemplateDocument.model_validate({"pass": TEMPLATE["pass"]})
    template = compile_template(document, name="Bench", organization="Bench")
    conditions = [compile_condition(text, template.path_index) for text in CONDITIONS]
    states = [
        PassState(
            "handle",
            "serial",
            {POINTS: n % 40},
            {"name": f"Member {n}", "tier": "Gold"},
            voided=False,
            changed_at=now,
            happened=frozenset({"registered", "scanned"} if n % 2 else {"installed"}),
            literal=frozenset(),
        )
        for n in range(500)
    ]
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < 3:
        for state in states:
            expansion = template.expansion(state)
            for condition in conditions:
                condition.holds(expansion)
        count += len(states) * len(conditions)
    return count / (time.perf_counter() - started)


async def run_at_once(
    wires: list[Wire], jobs: Iterator[Any], act: Callable[[Wire, Any], Awaitable[None]]
) -> list[float]:
    """Do jobs on all wires until there are no more; how long each took, in seconds."""
    latencies: list[float] = []

    async def work(wire: Wire) -> None:
        for job in jobs:
            started = time.perf_counter()
            await act(wire, job)
            latencies.append(time.perf_counter() - started)

    await asyncio.gather(*(work(wire) for wire in wires))
    return latencies


async def until_contents(system: System, template_id: str, count: int) -> None:
    connection = await asyncpg.connect(system.database_url)
    try:
        statement = "SELECT count(*) FROM generator.contents WHERE template_id = $1"
        while await connection.fetchval(statement, template_id) < count:
            await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def a_template(system: System) -> str:
    wire = Wire(system.base_url, system.api_key)
    status, answer = await wire.post("/v1/templates", json.dumps(TEMPLATE).encode())
    wire.close()
    assert status == 201, answer
    return json.loads(answer)["template_id"]


async def measure_singles(system: System) -> tuple[float, list[float]]:
    """Single POSTs, each with its Idempotency-Key: durable before the 201, signed right after."""
    template_id = await a_template(system)
    wires = [Wire(system.base_url, system.api_key) for _ in range(SINGLES_AT_ONCE)]

    async def issue(wire: Wire, number: int) -> None:
        body = {"template_id": template_id, "values": {POINTS: number}}
        key = secrets.token_hex(8)
        status, answer = await wire.post("/v1/passes", json.dumps(body).encode(), key)
        assert status == 201, answer

    await run_at_once(wires, iter(range(500)), issue)
    await until_contents(system, template_id, 500)
    started, deadline = time.perf_counter(), time.perf_counter() + SECONDS

    def until_deadline() -> Iterator[int]:
        number = 0
        while time.perf_counter() < deadline:
            yield number
            number += 1

    latencies = await run_at_once(wires, until_deadline(), issue)
    await until_contents(system, template_id, 500 + len(latencies))
    seconds = time.perf_counter() - started
    for wire in wires:
        wire.close()
    return len(latencies) / seconds, latencies


async def measure_bulk(system: System) -> float:
    """Rows of 500 to a POST, end to end: from the first byte to the last signed content."""
    template_id = await a_template(system)
    wires = [Wire(system.base_url, system.api_key) for _ in range(PLURALS_AT_ONCE)]
    rows = [{"values": {POINTS: n}} for n in range(ROWS)]
    body = json.dumps({"template_id": template_id, "passes": rows}).encode()

    async def issue(wire: Wire, _number: int) -> None:
        status, answer = await wire.post("/v1/passes", body, secrets.token_hex(8))
        assert status == 201, answer[:500]
        assert b'"error"' not in answer, answer[:500]

    started = time.perf_counter()
    await run_at_once(wires, iter(range(PLURALS)), issue)
    await until_contents(system, template_id, PLURALS * ROWS)
    seconds = time.perf_counter() - started
    for wire in wires:
        wire.close()
    return PLURALS * ROWS / seconds


async def measure_scans(system: System) -> tuple[float, list[float]]:
    """Scans of different passes: rules run, logged and durable before the answer."""
    template_id = await a_template(system)
    wires = [Wire(system.base_url, system.api_key) for _ in range(SCANS_AT_ONCE)]
    body = json.dumps(
        {"template_id": template_id, "passes": [{"values": {POINTS: n}} for n in range(ROWS)]}
    ).encode()
    handles: list[str] = []
    while len(handles) < WARMING_UP + SCANNED:
        status, answer = await wires[0].post("/v1/passes", body, secrets.token_hex(8))
        assert status == 201, answer[:500]
        handles += [row["handle"] for row in json.loads(answer)["passes"]]
    await until_contents(system, template_id, len(handles))

    async def scan(wire: Wire, handle: str) -> None:
        status, answer = await wire.post(f"/v1/passes/{handle}/scan", b"")
        assert status == 200, answer

    await run_at_once(wires, iter(handles[:WARMING_UP]), scan)
    started = time.perf_counter()
    latencies = await run_at_once(wires, iter(handles[WARMING_UP:]), scan)
    seconds = time.perf_counter() - started
    for wire in wires:
        wire.close()
    return len(latencies) / seconds, latencies


def percentile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=1000)[int(share * 1000) - 1] * 1000


async def measure() -> dict[str, float]:
    say("R: openssl speed rsa2048 …")
    result: dict[str, float] = {"rsa2048_sign_per_s": openssl_rsa_per_second()}
    say("the signing kernel …")
    result["kernel_per_s"] = kernel_per_second()
    say("conditions …")
    result["evaluation_per_s"] = evaluations_per_second()
    say("starting PostgreSQL, RabbitMQ and five processes …")
    async with a_distributed_system() as system:
        say("single POSTs …")
        result["single_per_s"], latencies = await measure_singles(system)
        result |= percentiles("single", latencies)
        say("bulk …")
        result["bulk_per_s"] = await measure_bulk(system)
        say("scans …")
        result["scan_per_s"], latencies = await measure_scans(system)
        result |= percentiles("scan", latencies)
        say("changes on their way to phones …")
        result["change_per_s"], latencies = await measure_changes(system, await a_template(system))
        result |= percentiles("change", latencies)
        say("webhooks …")
        result["webhook_per_s"], latencies = await measure_webhooks(
            system, await a_template(system)
        )
        result |= percentiles("webhook", latencies)
    return result


def percentiles(name: str, latencies: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {f"{name}_{label}_ms": percentile(latencies, n) for label, n in shares.items()}


def report(result: dict[str, float]) -> str:
    rsa = result["rsa2048_sign_per_s"]
    rows = [
        ("RSA-2048 signatures, one core (R)", rsa, None, None),
        ("signing kernel, one core", result["kernel_per_s"], 0.75, None),
        (
            "single POSTs, end to end",
            result["single_per_s"],
            0.33,
            f"p50 {result['single_p50_ms']:.1f} ms, p99 {result['single_p99_ms']:.1f} ms",
        ),
        ("bulk, end to end", result["bulk_per_s"], 0.70, f"{ROWS} rows to a POST"),
        (
            "scans of different passes",
            result["scan_per_s"],
            None,
            f"{SCANS_AT_ONCE} at once, p99 {result['scan_p99_ms']:.1f} ms",
        ),
        ("conditions evaluated, one core", result["evaluation_per_s"], None, None),
        (
            "changes delivered on phones",
            result["change_per_s"],
            None,
            f"{PHONES} phones; {AT_ONCE} at once: {spread(result, 'change')}",
        ),
        (
            "webhook deliveries",
            result["webhook_per_s"],
            None,
            f"{PARTNERS} partners; {AT_ONCE} at once: {spread(result, 'webhook')}",
        ),
    ]
    lines = [f"{'':36}{'per second':>12}{'share of R':>12}{'target':>9}"]
    for name, rate, target, note in rows:
        share = f"{rate / rsa:.2f}" if target else ""
        goal = f"{target:.2f}" if target else ""
        lines.append(f"{name:36}{rate:12,.0f}{share:>12}{goal:>9}  {note or ''}".rstrip())
    return "\n".join(lines)


def spread(result: dict[str, float], name: str) -> str:
    return ", ".join(
        f"{label} {result[f'{name}_{label}_ms']:,.0f} ms" for label in ("p50", "p95", "p99")
    )


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    result = uvloop.run(measure())
    folder = Path(os.environ.get("PASSWRIGHT_DATA", ".data"))  # noqa: TID251 - no settings here
    folder.mkdir(parents=True, exist_ok=True)
    figures = {name: round(value, 2) for name, value in result.items()}
    (folder / "bench.json").write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(report(result) + "\n")


if __name__ == "__main__":
    main()
