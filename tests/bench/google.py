"""How many objects a second one process sends to Google, where Google takes as many."""

import tempfile
from pathlib import Path

from tests import servers
from tests.google.server import FakeGoogle
from tests.integration.notifier.googling import Googling, a_client
from tests.integration.notifier.partner import a_notifier

WARMING_UP = 200
OBJECTS = 5_000
AT_ONCE = 500
UNLIMITED = 100_000.0


async def google_objects_per_second() -> float:
    """Send from a process of its own to the fake Google in this one, by Google's clock."""
    with tempfile.TemporaryDirectory() as folder:
        return await _measure(servers.postgres_url(), Path(folder))


async def _measure(url: str, folder: Path) -> float:
    async with (
        a_notifier(url) as notifier,
        FakeGoogle() as google,
        a_client(google, folder) as api,
    ):
        google.requests_a_second = None
        google.images.are_fetched = google.switches.checks_documents = False
        googling = Googling(notifier, google, api)
        await googling.keep_issuer()
        for first in range(0, WARMING_UP + OBJECTS, AT_ONCE):
            wanted = [googling.a_pass(f"pass{first + number}") for number in range(AT_ONCE)]
            await googling.keep(*wanted, lane="backfill")
        await googling.run_process(UNLIMITED)
        moments = [one.at for one in googling.calls() if one.path.endswith("Object")][WARMING_UP:]
    return (len(moments) - 1) / (moments[-1] - moments[0]).total_seconds()
