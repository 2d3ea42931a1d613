"""What happens is posted to partners: signed, again if need be, fairly, and not for ever."""

import asyncio
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from services.notifier.jobs import forget_old
from services.notifier.partners.domain.webhooks import (
    ASKED_TO_STOP,
    FAILED_TOO_LONG,
    GONE,
    RotatedTooOftenError,
)
from services.notifier.partners.jobs.deliveries import MAX_PER_ENDPOINT
from shared import clock
from shared.contracts.notifier import Endpoint, ReplayDeliveries, RotateSecret, UpdateEndpoint
from shared.identifiers import new_id
from tests.integration.notifier.partner import (
    Notifier,
    Partner,
    a_notifier,
    an_endpoint,
    an_event,
    statuses,
    verified,
)

ACCOUNT = new_id()

OVER = """
UPDATE endpoints
SET former_secrets = jsonb_set(former_secrets, '{0,until}', to_jsonb(now()))
"""
"""The grace of the newest former secret is over."""


async def test_delivery_is_signed_so_that_the_official_library_verifies_it(
    notifier: Notifier, partner: Partner
):
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    event = an_event(ACCOUNT)
    await notifier.log(event)

    await notifier.run()

    [heard] = partner.heard
    told = verified(made.secret, heard)
    assert told["type"] == "pass.scanned"
    assert told["data"]["changes"] == {"points": [1, 2]}
    assert heard.headers["webhook-id"] == f"evt_{event.event_id.hex}"
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(heard.body + " ", heard.headers)
    [delivery] = await notifier.deliveries(ACCOUNT)
    assert (delivery.state, delivery.attempts[0].response) == ("delivered", "was 200")


async def test_endpoint_that_fails_and_recovers_hears_the_same_id_again(
    notifier: Notifier, partner: Partner
):
    partner.answers["a"] = [500, 503, 204]
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))

    before = clock.now()
    await notifier.run()
    [waiting] = await notifier.deliveries(ACCOUNT)
    for _ in range(2):
        await notifier.bring_forward()
        await notifier.run()

    assert waiting.next_attempt_at is not None
    pause = waiting.next_attempt_at - before
    assert timedelta(seconds=4) <= pause <= timedelta(seconds=7)
    assert all(verified(made.secret, heard) for heard in partner.heard)
    assert len({heard.headers["webhook-id"] for heard in partner.heard}) == 1
    [delivery] = await notifier.deliveries(ACCOUNT)
    assert delivery.state == "delivered"
    assert statuses([delivery]) == [[500, 503, 204]]
    assert await failing_since(notifier) is None


async def test_delivery_is_exhausted_after_ten_attempts(notifier: Notifier, partner: Partner):
    partner.answers["a"] = [500]
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a", kinds=["pass.scanned"]))
    await notifier.log(an_event(ACCOUNT))

    for _ in range(12):
        await notifier.run()
        await notifier.bring_forward()

    [delivery] = await notifier.deliveries(ACCOUNT)
    assert (delivery.state, delivery.next_attempt_at) == ("exhausted", None)
    assert [a.number for a in delivery.attempts] == list(range(1, 11))


async def test_retry_after_is_honoured(notifier: Notifier, partner: Partner):
    partner.answers["a"], partner.headers["a"] = [503], {"Retry-After": "8"}
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))

    await notifier.run()

    [delivery] = await notifier.deliveries(ACCOUNT)
    assert delivery.next_attempt_at is not None
    wait = delivery.next_attempt_at - delivery.attempts[0].at
    assert timedelta(seconds=8) <= wait <= timedelta(seconds=9)


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [(410, {}, GONE), (200, {"webhook-delivery": "disable"}, ASKED_TO_STOP)],
)
async def test_receiver_that_says_so_is_disabled_at_once(
    notifier: Notifier, partner: Partner, status: int, headers: dict[str, str], reason: str
):
    partner.answers["a"], partner.headers["a"] = [status], headers
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()
    await notifier.log(an_event(ACCOUNT))
    await notifier.bring_forward()

    await notifier.run()

    assert len(partner.heard) == 1
    assert await state_of(notifier, made.endpoint) == (False, reason)


async def test_enabling_again_clears_the_reason_and_sends_what_waited(
    notifier: Notifier, partner: Partner
):
    partner.answers["a"] = [410, 200]
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()
    await notifier.bring_forward()

    await notifier.update(change(made.endpoint, enabled=True))
    await notifier.run()

    assert await state_of(notifier, made.endpoint) == (True, None)
    assert [d.state for d in await notifier.deliveries(ACCOUNT)] == ["delivered"]


async def test_endpoint_that_only_fails_for_five_days_is_disabled(
    notifier: Notifier, partner: Partner
):
    partner.answers["a"] = [500]
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()
    assert await state_of(notifier, made.endpoint) == (True, None)

    await notifier.sql("UPDATE endpoints SET failing_since = now() - interval '121 hours'")
    await notifier.bring_forward()
    await notifier.run()

    assert await state_of(notifier, made.endpoint) == (False, FAILED_TOO_LONG)


async def test_one_success_in_five_days_keeps_an_endpoint_enabled(
    notifier: Notifier, partner: Partner
):
    partner.answers["a"] = [200, 500]
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.sql("UPDATE endpoints SET failing_since = now() - interval '121 hours'")

    for _ in range(2):
        await notifier.log(an_event(ACCOUNT))
        await notifier.run()

    assert await state_of(notifier, made.endpoint) == (True, None)


async def test_rotation_signs_with_both_secrets_while_the_grace_lasts(
    notifier: Notifier, partner: Partner
):
    old = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()
    new = await notifier.rotate(
        RotateSecret(
            command_id=new_id(), account_id=ACCOUNT, endpoint_id=old.endpoint.endpoint_id, grace=60
        )
    )
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()
    await notifier.sql(OVER)
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()

    before, within, after = partner.heard
    assert verified(old.secret, before)
    assert verified(old.secret, within)
    assert verified(new.secret, within)
    assert verified(new.secret, after)
    with pytest.raises(WebhookVerificationError):
        verified(old.secret, after)


async def test_second_rotation_does_not_end_the_grace_of_the_first(
    notifier: Notifier, partner: Partner
):
    first = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    endpoint_id = first.endpoint.endpoint_id

    async def rotate(grace: int) -> str:
        command = RotateSecret(
            command_id=new_id(), account_id=ACCOUNT, endpoint_id=endpoint_id, grace=grace
        )
        return (await notifier.rotate(command)).secret

    second, third = await rotate(60), await rotate(600)
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()
    fourth = await rotate(0)
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()

    within, at_once = partner.heard
    for secret in (first.secret, second, third):
        assert verified(secret, within)
        with pytest.raises(WebhookVerificationError):
            verified(secret, at_once)
    assert verified(fourth, at_once)


async def test_secrets_of_an_endpoint_do_not_pile_up(notifier: Notifier, partner: Partner):
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    command = RotateSecret(
        command_id=new_id(), account_id=ACCOUNT, endpoint_id=made.endpoint.endpoint_id, grace=60
    )
    for _ in range(10):
        await notifier.rotate(command)

    with pytest.raises(RotatedTooOftenError):
        await notifier.rotate(command)


async def test_slow_endpoint_does_not_delay_another(notifier: Notifier, partner: Partner):
    partner.held["slow"] = asyncio.Event()
    for path in ("slow", "fast"):
        await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/{path}"))
    await notifier.log(*(an_event(ACCOUNT) for _ in range(200)))

    running = asyncio.create_task(notifier.run())
    await partner.until(lambda: len(partner.at("fast")) == 200)

    assert len(partner.at("slow")) == MAX_PER_ENDPOINT
    partner.held["slow"].set()
    await running
    assert len(partner.at("slow")) == 200


async def test_endpoint_that_timed_out_gets_a_single_place(fresh_database: str, partner: Partner):
    async with a_notifier(fresh_database, total=0.3) as notifier:
        partner.held["slow"] = asyncio.Event()
        await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/slow"))
        await notifier.log(*(an_event(ACCOUNT) for _ in range(12)))

        await notifier.run()

        assert partner.most_at_once == MAX_PER_ENDPOINT
        partner.most_at_once = 0
        await notifier.log(*(an_event(ACCOUNT) for _ in range(2)))
        await notifier.run()
        assert partner.most_at_once == 1
        errors = {d.attempts[0].error for d in await notifier.deliveries(ACCOUNT)}
        assert errors == {"no answer in time"}


async def test_two_processes_post_each_delivery_once(
    fresh_database: str, notifier: Notifier, partner: Partner
):
    for path in "abc":
        await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/{path}"))
    await notifier.log(*(an_event(ACCOUNT) for _ in range(100)))
    async with a_notifier(fresh_database) as other:
        await asyncio.gather(notifier.run(), other.run())

    heard = [(h.path, h.headers["webhook-id"]) for h in partner.heard]
    assert len(heard) == len(set(heard)) == 300


async def test_delivery_of_a_process_that_died_is_repeated_when_its_lease_ends(
    fresh_database: str, notifier: Notifier, partner: Partner
):
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))
    await notifier.sql("UPDATE deliveries SET lease_until = now() + interval '45 seconds'")
    async with a_notifier(fresh_database) as other:
        await other.run()
        assert partner.heard == []

        await notifier.sql("UPDATE deliveries SET lease_until = now()")
        await other.run()

    assert len(partner.heard) == 1


async def test_lease_of_a_post_that_is_under_way_is_renewed(notifier: Notifier, partner: Partner):
    partner.held["slow"] = asyncio.Event()
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/slow"))
    await notifier.log(an_event(ACCOUNT))
    running = asyncio.create_task(notifier.run())
    await partner.until(lambda: bool(partner.heard))
    await notifier.sql("UPDATE deliveries SET lease_until = now() + interval '1 second'")

    await notifier.job.renew()

    [row] = await notifier.sql(
        "SELECT lease_until > now() + interval '4 seconds' AS is_held FROM deliveries"
    )
    partner.held["slow"].set()
    await running
    assert row["is_held"]
    assert len(partner.heard) == 1


async def test_clean_stop_records_what_lands_and_gives_the_rest_back(
    fresh_database: str, notifier: Notifier, partner: Partner
):
    partner.held["slow"] = asyncio.Event()
    for path in ("slow", "fast"):
        await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/{path}"))
    await notifier.log(an_event(ACCOUNT))
    running = asyncio.create_task(notifier.run())
    await partner.until(lambda: len(partner.heard) == 2)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await notifier.job.stop()

    rows = await notifier.sql("SELECT state, lease_until FROM deliveries ORDER BY state")
    assert [tuple(row) for row in rows] == [("delivered", None), ("pending", None)]


async def test_replay_asked_for_during_an_attempt_is_not_lost(notifier: Notifier, partner: Partner):
    partner.held["a"] = asyncio.Event()
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    event = an_event(ACCOUNT)
    await notifier.log(event)
    running = asyncio.create_task(notifier.run())
    await partner.until(lambda: len(partner.heard) == 1)

    await notifier.replay(
        ReplayDeliveries(
            command_id=new_id(), account_id=ACCOUNT, endpoint_id=made.endpoint.endpoint_id,
            event_id=event.event_id,
        )
    )  # fmt: skip
    partner.held["a"].set()
    await running

    assert len(partner.heard) == 2
    assert statuses(await notifier.deliveries(ACCOUNT)) == [[200, 200]]


async def test_loopback_is_refused_by_default_and_the_attempt_says_so(
    fresh_database: str, notifier: Notifier, partner: Partner
):
    await notifier.create(an_endpoint(ACCOUNT, partner.url.replace("http:", "https:") + "/a"))
    await notifier.log(an_event(ACCOUNT))
    async with a_notifier(fresh_database, development=False) as strict:
        await strict.run()

        [delivery] = await strict.deliveries(ACCOUNT)
        assert delivery.state == "pending"
        assert delivery.attempts[0].error is not None
        assert "address refused" in delivery.attempts[0].error
        assert partner.heard == []


async def test_redirect_is_a_failure(notifier: Notifier, partner: Partner):
    partner.answers["a"], partner.headers["a"] = [307], {"Location": f"{partner.url}/b"}
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))

    await notifier.run()

    [delivery] = await notifier.deliveries(ACCOUNT)
    assert [h.path for h in partner.heard] == ["a"]
    assert delivery.attempts[0].error == "answered 307; redirects are not followed"


async def test_old_rows_are_forgotten_and_new_ones_stay(notifier: Notifier, partner: Partner):
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()
    await notifier.sql("UPDATE events SET received_at = now() - interval '35 days'")
    await notifier.sql("UPDATE deliveries SET created_at = now() - interval '31 days'")
    await notifier.sql("UPDATE attempts SET at = now() - interval '31 days'")
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()

    await forget_old(notifier.database)

    for table in ("events", "deliveries", "attempts"):
        assert len(await notifier.sql(f"SELECT FROM {table}")) == 1


def change(endpoint: Endpoint, **fields: object) -> UpdateEndpoint:
    return UpdateEndpoint(
        command_id=new_id(), account_id=endpoint.account_id, endpoint_id=endpoint.endpoint_id,
        fields=fields,
    )  # fmt: skip


async def failing_since(notifier: Notifier) -> object:
    return (await notifier.sql("SELECT failing_since FROM endpoints"))[0]["failing_since"]


async def state_of(notifier: Notifier, endpoint: Endpoint) -> tuple[bool, str | None]:
    [row] = await notifier.sql(
        "SELECT enabled, disabled_reason FROM endpoints WHERE endpoint_id = $1",
        endpoint.endpoint_id,
    )
    return row["enabled"], row["disabled_reason"]
