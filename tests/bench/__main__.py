"""Measures the distributed system on this machine, in one run, against `openssl speed rsa2048`."""

import argparse
import sys

import uvloop

from tests.bench.deliveries import measure_changes, measure_webhooks
from tests.bench.google import google_objects_per_second
from tests.bench.issuing import Stock, create_template
from tests.bench.kernel import (
    evaluations_per_second,
    google_compose_per_second,
    kernel_per_second,
    links_per_second,
    openssl_rsa_per_second,
)
from tests.bench.report import load_before, percentile, percentiles, say, table, write_json
from tests.bench.rows import measure_rows
from tests.bench.scanning import (
    measure_steady_scans,
    measure_steady_scans_beside_batch,
    measure_steady_scans_beside_bulk,
)
from tests.system import a_distributed_system

SECONDS = 7.0


async def measure(seconds: float) -> dict[str, float]:
    result: dict[str, float] = {"load_before": load_before()}
    say("R: openssl speed rsa2048 …")
    result["rsa2048_sign_per_s"] = openssl_rsa_per_second(seconds)
    say("the signing kernel …")
    result["kernel_per_s"] = kernel_per_second(seconds)
    say("conditions …")
    result["evaluation_per_s"] = evaluations_per_second(seconds)
    say("classes and objects for Google …")
    result["google_compose_per_s"] = google_compose_per_second(seconds)
    say("links …")
    result["links_per_s"] = links_per_second(seconds)
    say("objects sent to Google …")
    result["google_objects_per_s"] = await google_objects_per_second()
    say("starting PostgreSQL, RabbitMQ and five processes …")
    async with a_distributed_system() as system:
        stock = await Stock.of_new_template(system)
        result |= await measure_rows(stock, seconds)
        say("scans at a steady rate …")
        idle = await measure_steady_scans(stock, seconds)
        result["scan_idle_p99_ms"] = percentile(idle, 0.99)
        say("scans at a steady rate while bulk runs …")
        beside = await measure_steady_scans_beside_bulk(stock, seconds)
        result["scan_bulk_p99_ms"] = percentile(beside, 0.99)
        say("scans at a steady rate while a list is worked on …")
        beside = await measure_steady_scans_beside_batch(stock, seconds)
        result["scan_batch_p99_ms"] = percentile(beside, 0.99)
        say("changes on their way to phones …")
        result["change_per_s"], latencies = await measure_changes(
            system, await create_template(system)
        )
        result |= percentiles("change", latencies)
        say("webhooks …")
        result["webhook_per_s"], latencies = await measure_webhooks(
            system, await create_template(system)
        )
        result |= percentiles("webhook", latencies)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each row")
    result = uvloop.run(measure(parser.parse_args().seconds))
    write_json("bench.json", result)
    sys.stdout.write(table(result) + "\n")


if __name__ == "__main__":
    main()
