"""Writes figures down: a table to read, a file to compare."""

import json
import os
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LABEL_WIDTH: Final = 40


@dataclass(frozen=True, slots=True)
class Row:
    """A rate, and which share of R, or of another row, it should be at least."""

    label: str
    name: str
    at_least: float | None = None
    of: str = "rsa2048_sign"

    @property
    def key(self) -> str:
        return f"{self.name}_per_s"


KERNEL: Final = (Row("signing kernel, one core", "kernel", 0.80),)
SYSTEM: Final = (
    Row("bulk, durable and fetchable", "bulk", 1.00),
    Row("rows of a batch, share of bulk", "batch_rows", 0.80, of="bulk"),
    Row("single POSTs", "single", 0.45),
    Row("Pass2U creates, share of single POSTs", "pass2u_create", 0.90, of="single"),
    Row("clicks on links: member and pass made", "enrol", 0.20),
    Row("first download: composed and signed", "first_fetch", 0.35),
    Row("repeated download", "fetch", 0.45),
    Row("304 for a device", "not_modified", 0.75),
    Row("a device's list, nothing new: 204", "list", 1.00),
    Row("scans", "scan", 0.30),
)
OTHERS: Final = (
    Row("conditions evaluated, one core", "evaluation"),
    Row("class and object for Google, one core", "google_compose"),
    Row("links sealed, one core: at least 100,000", "links"),
    Row("objects sent to Google: at least 800", "google_objects"),
    Row("changes delivered on phones", "change"),
    Row("webhook deliveries", "webhook"),
)
STEADY_PER_SECOND: Final = 20
STEADY_BESIDE: Final = (
    ("while bulk runs", "scan_bulk_p99_ms"),
    ("while a list of passes is worked on", "scan_batch_p99_ms"),
)
AT_MOST_TIMES: Final = 5.0
"""A scan may take so much longer while bulk runs, at the 99th percentile."""


def table(result: Mapping[str, float]) -> str:
    """Show all rows with their share of R."""
    rsa = result["rsa2048_sign_per_s"]
    lines = [f"{'':{LABEL_WIDTH}}{'per second':>12}{'share of R':>12}{'at least':>10}"]
    lines.append(f"{'RSA-2048 signatures, one core (R)':{LABEL_WIDTH}}{rsa:12,.0f}")
    for row in (*KERNEL, *SYSTEM, *OTHERS):
        rate = result[row.key]
        share = f"{rate / result[f'{row.of}_per_s']:.2f}" if row.at_least else ""
        goal = f"{row.at_least:.2f}" if row.at_least else ""
        line = f"{row.label:{LABEL_WIDTH}}{rate:12,.0f}{share:>12}{goal:>10}"
        lines.append(f"{line}  {spread(result, row.name)}".rstrip())
    lines.append(f"{'load of the machine before':{LABEL_WIDTH}}{result['load_before']:12.1f}")
    idle = result["scan_idle_p99_ms"]
    head = f"{f'{STEADY_PER_SECOND} scans a second':{LABEL_WIDTH}}"
    lines += [
        f"\n{head}{'p99 in ms':>12}{'times idle':>12}{'at most':>10}",
        f"{'on an idle system':{LABEL_WIDTH}}{idle:12,.1f}",
    ]
    for label, name in STEADY_BESIDE:
        beside = result[name]
        times = f"{beside / idle:12.1f}{AT_MOST_TIMES:10.0f}"
        lines.append(f"{label:{LABEL_WIDTH}}{beside:12,.1f}{times}")
    return "\n".join(lines)


def spread(result: Mapping[str, float], name: str) -> str:
    """Say how long single requests of a row took, where that is known."""
    shown = [
        f"{label} {result[key]:,.0f} ms"
        for label in ("p50", "p95", "p99")
        if (key := f"{name}_{label}_ms") in result
    ]
    return ", ".join(shown)


def percentile(values: list[float], share: float) -> float:
    """Give a percentile in milliseconds of what took so many seconds."""
    return statistics.quantiles(values, n=1000, method="inclusive")[int(share * 1000) - 1] * 1000


def percentiles(name: str, latencies: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {f"{name}_{label}_ms": percentile(latencies, n) for label, n in shares.items()}


def load_before() -> float:
    """Read how many processes were at work in the minute before: more than a few spoil figures."""
    return os.getloadavg()[0]


def write_json(name: str, content: Mapping[str, Any]) -> Path:
    """Write a file of the data folder."""
    path = data_folder() / name
    rounded = json.loads(json.dumps(content), parse_float=lambda text: round(float(text), 2))
    path.write_text(json.dumps(rounded, indent=2) + "\n")
    return path


def data_folder() -> Path:
    folder = Path(os.environ.get("PASSWRIGHT_DATA", ".data"))  # noqa: TID251 - no settings here
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
