"""Promise 29: the API is what its OpenAPI document says."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.conformance import run, world
from tests.promises.conftest import Figure
from tests.system import System

EXAMPLES: Final = 1000
"""Of each operation, beside those that cover its schema."""
SEQUENCES: Final = 1000
ENDED: Final = "A push job over so few passes has ended before it can be changed."
ONLY_REFUSED: Final = {
    "POST /v1/push-jobs/{job_id}/cancel": ENDED,
    "POST /v1/push-jobs/{job_id}/pause": ENDED,
    "POST /v1/push-jobs/{job_id}/resume": ENDED,
}


async def test_every_operation_is_what_the_document_says(
    system: System, tmp_path: Path, figure: Figure
):
    report = await run.compare(await world.build(system), tmp_path, examples=EXAMPLES)

    assert_kept(report, figure, "requests")
    assert set(report.never_done) <= ONLY_REFUSED.keys()


async def test_sequences_of_operations_are_what_the_document_says(
    system: System, tmp_path: Path, figure: Figure
):
    report = await run.compare(
        await world.build(system), tmp_path, examples=SEQUENCES, phases=["stateful"]
    )

    assert_kept(report, figure, "requests in sequences")


async def test_without_credentials_the_document_holds_too(
    system: System, tmp_path: Path, figure: Figure
):
    stranger = replace(await world.build(system), credentials={})
    report = await run.compare(stranger, tmp_path, examples=20, phases=["fuzzing"])

    assert_kept(report, figure, "requests without credentials")


def assert_kept(report: run.Report, figure: Figure, what: str) -> None:
    """Say how much was asked, and that nothing was found."""
    found, server_errors = len(report.failures), report.server_errors
    figure(f"{report.examples} {what}: {found} failures, {server_errors} times 5xx")
    assert report.exit_code == 0, report.output
    assert report.server_errors == 0
