"""What the gateway takes and answers is what /openapi.json says; tests/promises asks for longer."""

import re
from pathlib import Path

import aiohttp

from tests.conformance import run, world
from tests.system import System

SLOW = ("upload_identity",)
"""Each example of it is a process; the long run has it."""


async def test_the_gateway_takes_and_answers_what_its_document_says(
    embedded: System, tmp_path: Path
):
    report = await run.compare(
        await world.build(embedded), tmp_path, examples=1, phases=("coverage",), without=SLOW
    )

    assert report.exit_code == 0, report.output
    assert report.server_errors == 0
    assert report.examples > 2000


async def test_an_operation_that_names_a_credential_answers_nobody_without_it(embedded: System):
    async with aiohttp.ClientSession(embedded.base_url) as session:
        async with session.get("/openapi.json") as response:
            document = await response.json()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if not operation["security"]:
                    continue
                async with session.request(method, re.sub(r"\{\w+\}", "1", path)) as response:
                    refusal = 403 if path.startswith("/v2/") else 401
                    assert response.status == refusal, (method, path)
