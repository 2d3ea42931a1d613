"""A process of its own that sends to Google until nothing waits, or until it crashes.

python -m tests.integration.notifier.sending_process DATABASE_URL API TOKEN_URL ROOT RATE CRASH_AT
"""

import asyncio
import sys
from pathlib import Path

from services.notifier.google.clients.accounts import ServiceAccounts
from services.notifier.google.clients.sender import GoogleSender
from services.notifier.google.handlers import acts
from services.notifier.google.jobs.sending import SendingWorker
from services.notifier.google.jobs.slots import Slots
from shared import crashing
from shared.database import Database
from shared.google.api import GoogleAddresses, GoogleApi
from shared.sealing import MasterKeys


async def main(url: str, *google: str, rate: float, crash_at: str) -> None:
    crashing.arm(crash_at or None)
    api_url, token_url, root = google
    database, due = Database(url, schema="notifier", acquire_timeout=5), asyncio.Event()
    await database.start()
    api = GoogleApi(GoogleAddresses(api_url, token_url, root=Path(root)))
    await api.open()
    slots = Slots(database, rate)
    sender = GoogleSender(api, ServiceAccounts(MasterKeys([bytes(32)]), token_url), slots.take)
    worker = SendingWorker(
        database, sender, due, tell_acts=acts.tell_acts, rate=rate, at_google=False
    )
    async with database.connection() as connection:
        while await connection.fetchval("SELECT count(*) FROM google_jobs"):
            await worker.run()
            await worker.renew()
            await asyncio.sleep(0.05)
    await worker.stop()
    await api.close()
    await database.stop()


if __name__ == "__main__":
    *addresses, rate_text, crash_text = sys.argv[1:]
    asyncio.run(main(*addresses, rate=float(rate_text), crash_at=crash_text))
