"""Runs promises, each by itself, and writes `tests/promises.md`: `… -m tests.promises [N ...]`.

All of them when none is named. It ends with 1 where one was not kept.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from tests.promises.register import HERE, PROMISES, ROOT, Promise

RESULTS: Final = HERE / "results.json"
PAGE: Final = HERE.parent / "promises.md"
HEAD: Final = """\
# Promises

What Passwright promises, the tests that prove it, and how their last run ended. `make promises`
runs them all, `make promises PROMISE=7` one, and both write this page.

"""


def run_promise(promise: Promise) -> dict[str, Any]:
    """Run its tests in a process of their own; what came of it."""
    with tempfile.TemporaryDirectory(prefix="passwright-promise-") as folder:
        report = Path(folder) / "report.xml"
        reporting = [f"--junitxml={report}", "--override-ini=junit_family=xunit1"]  # with figures
        command = [sys.executable, "-m", "pytest", "-q", *reporting, *promise.tests]
        started = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        seconds = time.monotonic() - started
        figures = read_figures(report) if report.exists() else []
    return {
        "kept": code == 0,
        "figures": figures,
        "seconds": round(seconds),
        "on": datetime.now(UTC).date().isoformat(),  # noqa: TID251 - a record, not business
        "commit": commit(),
    }


def read_figures(report: Path) -> list[str]:
    """What the tests said they measured; the last one of each test counts."""
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname')} {case.get('name', '').partition('[')[0]}"
        for one in case.iter("property"):
            if one.get("name") == "figure":
                found[name] = one.get("value", "")
    return list(found.values())


def commit() -> str:
    """The tree that was tried; `+` where something else than what this writes has changed since."""
    others = ["--", ".", *(f":!{path.relative_to(ROOT)}" for path in (PAGE, RESULTS))]
    changed = read_git("status", "--porcelain", *others)
    return read_git("describe", "--always") + ("+" if changed else "")


def read_git(*arguments: str) -> str:
    found = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def page(results: dict[str, dict[str, Any]]) -> str:
    """All promises, as Markdown."""
    states = [state_of(promise, results) for promise in PROMISES]
    before = sum(promise.before == "proven" for promise in PROMISES)
    lines = [
        f"Proven: {states.count('proven')} of {len(PROMISES)}; at the first count {before}.",
        "",
        "| # | Promise | How much | At first | Now | Tests | Last run |",
        "|---|---|---|---|---|---|---|",
    ]
    for promise, state in zip(PROMISES, states, strict=True):
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in promise.tests)
        cells = [str(promise.number), promise.text, promise.figure, promise.before, state]
        cells += [tests or promise.later, last_run(results.get(str(promise.number)))]
        lines.append(f"| {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def state_of(promise: Promise, results: dict[str, dict[str, Any]]) -> str:
    result = results.get(str(promise.number))
    if promise.later or not promise.tests:
        return promise.before
    if result is None:
        return "not run"
    return "proven" if result["kept"] else "broken"


def last_run(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    word = "kept" if result["kept"] else "broken"
    run = f"{result['on']}, {result['commit']}, {result['seconds']} s: {word}"
    return "<br>".join([run, *result["figures"]])


def read_results() -> dict[str, dict[str, Any]]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, metavar="N", help=f"1 to {len(PROMISES)}")
    wanted: list[int] = parser.parse_args().numbers
    known = {promise.number: promise for promise in PROMISES}
    if unknown := set(wanted) - known.keys():
        parser.error(f"no such promise: {', '.join(map(str, sorted(unknown)))}")
    chosen = [known[n] for n in wanted] or [p for p in PROMISES if p.tests and not p.later]
    results, broken = read_results(), list[int]()
    for promise in chosen:
        if not promise.tests:
            sys.stdout.write(f"{promise.number}. {promise.text}: {promise.later}\n")
            continue
        sys.stdout.write(f"{promise.number}. {promise.text} …\n")
        sys.stdout.flush()
        result = run_promise(promise)
        results[str(promise.number)] = result
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        PAGE.write_text(page(results))
        if not result["kept"]:
            broken.append(promise.number)
        sys.stdout.write(f"{promise.number}. {last_run(result)}\n")
    if broken:
        raise SystemExit(f"not kept: {', '.join(map(str, broken))}")


if __name__ == "__main__":
    main()
