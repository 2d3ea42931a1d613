"""Promise 19: what a partner missed while it was down is sent again, once and the oldest first."""

import json
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from services.notifier.feed.domain.happenings import webhook_id
from services.notifier.partners.jobs.deliveries import MAX_PER_ENDPOINT
from shared import clock
from shared.contracts.notifier import ReplayDeliveries
from shared.identifiers import new_id
from tests.integration.notifier.partner import (
    Heard,
    Notifier,
    a_notifier,
    a_partner,
    an_endpoint,
    an_event,
)
from tests.promises.conftest import Figure

ACCOUNT = new_id()
FAILED: Final = 10_000
PASSES: Final = 500
"""Each has an event in its turn."""
OTHERS: Final = 50
"""Events that failed earlier, and others that arrived before the outage and after it."""
AT_ONCE: Final = 500
STATES: Final = "SELECT state, count(*) AS count FROM deliveries GROUP BY state"

GIVE_UP: Final = """
    UPDATE deliveries
    SET tries = 9, next_attempt_at = now()
    FROM events
    WHERE events.event_id = deliveries.event_id AND deliveries.state = 'pending'
    AND events.number % 2 = $1
"""
"""As if half of them, those with even or with odd numbers, had failed nine times by now."""


async def test_ten_thousand_failed_deliveries_are_each_sent_again_once_and_the_oldest_first(
    fresh_database: str, figure: Figure
):
    async with a_notifier(fresh_database) as notifier, a_partner() as partner:
        made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a", kinds=["pass.*"]))
        partner.answers["a"] = [503]
        await happen(notifier, OTHERS)
        for half in (0, 1):
            await fail_for_good(notifier, half)
        partner.answers["a"] = [200]
        await happen(notifier, OTHERS)
        since = clock.now()
        partner.answers["a"] = [503]
        missed = await happen(notifier, FAILED)
        await fail_for_good(notifier, half=0)
        await notifier.bring_forward()
        await notifier.run()  # the other half waits for minutes now
        partner.answers["a"] = [200]
        await happen(notifier, OTHERS)
        before = await states(notifier)
        partner.heard.clear()
        partner.most_at_once = 0

        started = time.monotonic()
        count = await notifier.replay(
            ReplayDeliveries(
                command_id=new_id(),
                account_id=ACCOUNT,
                endpoint_id=made.endpoint.endpoint_id,
                since=since,
                only_failed=True,
            )
        )
        asked = time.monotonic()
        await notifier.run()
        recovered = time.monotonic()
        await notifier.run()
        after = await states(notifier)

    ids = [one.headers["webhook-id"] for one in partner.heard]
    numbers = [json.loads(one.body)["sequence"] for one in partner.heard]
    assert before == {
        "delivered": 2 * OTHERS,
        "exhausted": OTHERS + FAILED // 2,
        "pending": FAILED // 2,
    }
    assert after == {"delivered": 2 * OTHERS + FAILED, "exhausted": OTHERS}
    assert count == FAILED
    assert sorted(ids) == sorted(missed)
    assert most_overtaken(numbers) < MAX_PER_ENDPOINT
    assert all(of_a_pass == sorted(of_a_pass) for of_a_pass in by_pass(partner.heard))
    assert partner.most_at_once <= MAX_PER_ENDPOINT
    figure(
        f"{FAILED:,} set out in {asked - started:.1f} s and each sent once, {MAX_PER_ENDPOINT} at"
        f" once, {FAILED / (recovered - asked):,.0f} a second; at most {most_overtaken(numbers)}"
        " older ones still to come when one came"
    )


async def happen(notifier: Notifier, count: int) -> list[str]:
    """Let passes have events in turns, and each be attempted for the first time; their ids."""
    events = [an_event(ACCOUNT, handle=f"pass-{n % PASSES}") for n in range(count)]
    for start in range(0, count, AT_ONCE):
        await notifier.log(*events[start : start + AT_ONCE])
    await notifier.run()
    return [webhook_id(event.event_id) for event in events]


async def fail_for_good(notifier: Notifier, half: int) -> None:
    await notifier.sql(GIVE_UP, half)
    await notifier.run()


async def states(notifier: Notifier) -> dict[str, int]:
    return {row["state"]: row["count"] for row in await notifier.sql(STATES)}


def most_overtaken(numbers: Sequence[int]) -> int:
    """How many older ones were still to come when a number came, at most."""
    to_come = sorted(numbers)
    most = 0
    for number in numbers:
        place = bisect_left(to_come, number)
        most = max(most, place)
        del to_come[place]
    return most


def by_pass(heard: Sequence[Heard]) -> list[list[int]]:
    """The numbers that arrived of each pass, as they came."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for one in heard:
        event: dict[str, Any] = json.loads(one.body)
        numbers[event["subject"]["id"]].append(event["sequence"])
    return list(numbers.values())
