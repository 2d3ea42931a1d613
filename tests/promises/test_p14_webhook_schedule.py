"""Promise 14: what a partner does not take is attempted for three days, then told to be missed."""

from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

from shared.contracts.notifier import Delivery
from shared.identifiers import new_id
from tests.integration.notifier.partner import (
    Notifier,
    a_notifier,
    a_partner,
    an_endpoint,
    an_event,
)
from tests.promises.conftest import Figure

ACCOUNT = new_id()
EVENTS: Final = 100
DOWN: Final = timedelta(hours=76)
PLANNED: Final = [
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
]  # fmt: skip
"""Written out again: it is what was promised."""
LATENESS: Final = timedelta(seconds=2)
"""What a busy machine may add to a pause."""

TIMES: Final = {
    "deliveries": ("next_attempt_at", "created_at"),
    "attempts": ("at",),
    "endpoints": ("failing_since", "created_at"),
    "events": ("occurred_at", "received_at"),
}
"""All that is known of when something happened, or is to happen."""


async def test_a_receiver_that_is_down_for_76_hours_is_tried_ten_times_at_the_promised_pauses(
    fresh_database: str, figure: Figure
):
    async with a_notifier(fresh_database) as notifier, a_partner() as partner:
        partner.answers["a"] = [500]
        made = await notifier.create(
            an_endpoint(ACCOUNT, f"{partner.url}/a", kinds=["pass.scanned"])
        )
        await notifier.log(*(an_event(ACCOUNT) for _ in range(EVENTS)))

        while (pause := await until_next_attempt(notifier)) is not None:
            await pass_time(notifier, pause)
            if await age_of_events(notifier) >= DOWN:
                partner.answers["a"] = [200]
            await notifier.run()

        deliveries = await notifier.deliveries(ACCOUNT, limit=EVENTS)
        told = await notifier.told(ACCOUNT, kinds=["delivery.exhausted"])
        [endpoint] = await notifier.sql("SELECT enabled FROM endpoints")

    ratios = [ratio for delivery in deliveries for ratio in ratios_of(delivery)]
    delivered = [d for d in deliveries if d.state == "delivered"]
    exhausted = [d for d in deliveries if d.state == "exhausted"]
    assert len(delivered) + len(exhausted) == EVENTS
    assert all(span_of(d) >= DOWN - LATENESS for d in delivered)
    assert all(span_of(d) <= DOWN + LATENESS for d in exhausted)
    assert missed(told) == sorted(d.webhook_id for d in exhausted)
    assert {event["data"]["webhook_id"] for event in told} == {str(made.endpoint.endpoint_id)}
    assert endpoint["enabled"]
    figure(
        f"{EVENTS} deliveries: 10 attempts each, pauses {min(ratios):.2f} to {max(ratios):.2f} of"
        f" the plan; {len(delivered)} taken after 76 h, {len(exhausted)} told to be exhausted"
    )


async def until_next_attempt(notifier: Notifier) -> timedelta | None:
    """How long nothing is due; None when nothing waits any more."""
    [row] = await notifier.sql(
        """
        SELECT min(next_attempt_at) - clock_timestamp() AS pause
        FROM deliveries
        WHERE state = 'pending'
        """
    )
    return None if row["pause"] is None else max(row["pause"], timedelta())


async def pass_time(notifier: Notifier, span: timedelta) -> None:
    """Move all that has happened and is planned into the past, as if so much time had passed."""
    for table, columns in TIMES.items():
        sets = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
        await notifier.sql(f"UPDATE {table} SET {sets}", span)


async def age_of_events(notifier: Notifier) -> timedelta:
    [row] = await notifier.sql("SELECT clock_timestamp() - min(received_at) AS age FROM events")
    return row["age"]


def ratios_of(delivery: Delivery) -> list[float]:
    """How long each pause was, as a share of what was planned; none was too short or too long."""
    times = [attempt.at for attempt in delivery.attempts]
    assert len(times) == len(PLANNED) + 1
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for pause, planned in zip(pauses, PLANNED, strict=True):
        assert 0.8 * planned <= pause <= 1.2 * planned + LATENESS
    return [pause / planned for pause, planned in zip(pauses, PLANNED, strict=True)]


def span_of(delivery: Delivery) -> timedelta:
    """From its first attempt to its last."""
    return delivery.attempts[-1].at - delivery.attempts[0].at


def missed(told: list[dict[str, Any]]) -> list[str]:
    """All events that were told to be missed, each as often as it was told."""
    return sorted(message_id for event in told for message_id in event["data"]["message_ids"])
