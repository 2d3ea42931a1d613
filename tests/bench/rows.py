"""What every run measures of the whole system, once with few passes and once with many."""

from collections.abc import Awaitable, Callable
from itertools import cycle

from tests.bench.batches import measure_batches
from tests.bench.clicks import measure_clicks
from tests.bench.client import Measured
from tests.bench.issuing import Stock, measure_bulk, measure_singles, until_quiet
from tests.bench.models import measure_models
from tests.bench.reading import (
    PHONES,
    ask_for_newer,
    download,
    list_nothing_new,
    measure_first_fetches,
    measure_reading,
    register_phones,
)
from tests.bench.report import percentiles, say
from tests.bench.scanning import measure_scans


async def measure_rows(stock: Stock, seconds: float) -> dict[str, float]:
    """Measure the rows one after the other, each when the one before has settled."""
    result: dict[str, float] = {}

    async def row(name: str, label: str, measured: Callable[[], Awaitable[Measured]]) -> None:
        await until_quiet(system)
        say(f"{label} …")
        outcome = await measured()
        result[f"{name}_per_s"] = outcome.per_second
        result.update(percentiles(name, outcome.latencies))

    system = stock.system
    say("bulk …")
    result["bulk_per_s"] = await measure_bulk(stock, seconds)
    await until_quiet(system)
    say("rows of a batch …")
    result["batch_rows_per_s"] = await measure_batches(stock)
    await row("single", "single POSTs", lambda: measure_singles(stock, seconds))
    await row("pass2u_create", "Pass2U creates", lambda: measure_models(system, seconds))
    await row("enrol", "clicks on links", lambda: measure_clicks(system, seconds))
    await row("scan", "scans", lambda: measure_scans(stock, seconds))
    await row("first_fetch", "first downloads", lambda: measure_first_fetches(stock, seconds))
    phones = await register_phones(system, await stock.take(PHONES))
    handles = [phone.handle for phone in phones]
    await row(
        "fetch",
        "repeated downloads",
        lambda: measure_reading(system, cycle(handles), download, seconds),
    )
    await row(
        "not_modified",
        "304 for a device",
        lambda: measure_reading(system, cycle(phones), ask_for_newer, seconds),
    )
    await row(
        "list",
        "a device's list",
        lambda: measure_reading(system, cycle(phones), list_nothing_new, seconds),
    )
    return result
