"""Endpoints are kept for their accounts; what happened becomes deliveries, once."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from services.notifier import handlers
from services.notifier.apple.handlers import contents
from services.notifier.partners.domain.webhooks import TEMPLATE_DELETED
from services.notifier.partners.handlers import deliveries, endpoints
from shared import clock
from shared.contracts.gateway import TemplateDeleted
from shared.contracts.generator import BuiltContent, ContentBuilt
from shared.contracts.message import JsonObject
from shared.contracts.notifier import (
    DeleteEndpoint,
    Endpoint,
    ListDeliveries,
    ListEndpoints,
    PassNotices,
    ReadEndpoint,
    ReplayDeliveries,
    RotateSecret,
    UpdateEndpoint,
)
from shared.contracts.triggers import DeletedPass, EventsLogged, PassesDeleted
from shared.errors import ConflictError, InvalidError, NotFoundError
from shared.identifiers import new_id
from shared.messaging.embedded import MIGRATIONS as TRANSPORT_MIGRATIONS
from shared.migrations import MESSAGING, migrate
from shared.sealing import MasterKeys
from shared.service import RunningServices
from tests.integration.notifier.partner import (
    MIGRATIONS,
    Notifier,
    Partner,
    a_service,
    an_endpoint,
    an_event,
    opened,
    verified,
)

ACCOUNT, OTHER = new_id(), new_id()
URL = "http://127.0.0.1:9/hook"


async def test_endpoint_is_kept_as_it_was_made(notifier: Notifier):
    template_id = new_id()
    command = an_endpoint(
        ACCOUNT,
        URL,
        description="till",
        kinds=["pass.scanned", "pass.scanned"],
        template_id=template_id,
    )

    made = await notifier.create(command)

    assert made.secret.startswith("whsec_")
    [read] = await notifier.tell(endpoints.read_endpoints, read_of(made.endpoint))
    assert read == made.endpoint
    assert (read.kinds, read.template_id, read.enabled) == (["pass.scanned"], template_id, True)


async def test_secret_rests_sealed(notifier: Notifier):
    made = await notifier.create(an_endpoint(ACCOUNT, URL))

    [row] = await notifier.sql("SELECT endpoints::text AS all FROM endpoints")

    assert made.secret not in row["all"]
    assert made.secret.removeprefix("whsec_") not in row["all"]


async def test_account_has_at_most_fifty_endpoints_however_fast_it_asks(notifier: Notifier):
    asked = [notifier.create(an_endpoint(ACCOUNT, URL)) for _ in range(53)]

    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert sum(isinstance(o, ConflictError) for o in outcomes) == 3
    await notifier.create(an_endpoint(OTHER, URL))
    [page] = await notifier.tell(
        endpoints.list_endpoints, ListEndpoints(account_id=ACCOUNT, limit=30)
    )
    [rest] = await notifier.tell(
        endpoints.list_endpoints,
        ListEndpoints(account_id=ACCOUNT, limit=30, after=page.endpoints[-1].endpoint_id),
    )
    assert (len(page.endpoints), page.more, len(rest.endpoints), rest.more) == (30, True, 20, False)


async def test_id_that_is_taken_conflicts(notifier: Notifier):
    command = an_endpoint(ACCOUNT, URL)
    await notifier.create(command)

    with pytest.raises(ConflictError):
        await notifier.create(command.model_copy(update={"account_id": OTHER}))


@pytest.mark.parametrize(
    "fields",
    [{"url": "https://10.0.0.1/"}, {"url": "x"}, {"url": "https://example.com/" + "x" * 2000},
     {"description": "x" * 201}, {"kinds": ["scan"]}],
)  # fmt: skip
async def test_endpoint_that_cannot_be_is_refused(notifier: Notifier, fields: JsonObject):
    with pytest.raises(InvalidError):
        await notifier.create(an_endpoint(ACCOUNT, **({"url": URL} | fields)))
    made = await notifier.create(an_endpoint(ACCOUNT, URL))
    with pytest.raises(InvalidError):
        await notifier.update(change(made.endpoint, fields))


async def test_update_sets_the_fields_given_and_no_others(notifier: Notifier):
    made = await notifier.create(an_endpoint(ACCOUNT, URL, description="old"))

    updated = await notifier.update(
        change(
            made.endpoint, {"kinds": ["pass.voided"], "template_id": str(OTHER), "enabled": False}
        )
    )

    assert (updated.kinds, updated.template_id, updated.enabled, updated.description) == (
        ["pass.voided"], OTHER, False, "old",
    )  # fmt: skip
    assert (await notifier.update(change(made.endpoint, {}))).url == URL


async def test_accounts_never_see_or_touch_each_others_endpoints(
    notifier: Notifier, partner: Partner
):
    mine = (await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/mine"))).endpoint
    event = an_event(ACCOUNT)
    await notifier.log(event, an_event(OTHER))
    await notifier.run()
    theirs = mine.model_copy(update={"account_id": OTHER})
    names: JsonObject = {
        "command_id": new_id(),
        "account_id": OTHER,
        "endpoint_id": mine.endpoint_id,
    }

    for ask in (
        notifier.update(change(theirs, {"url": URL})),
        notifier.rotate(RotateSecret(**names)),
        notifier.replay(ReplayDeliveries(**names, event_id=event.event_id)),
        notifier.tell(endpoints.delete_endpoints, DeleteEndpoint(**names)),
        notifier.tell(endpoints.read_endpoints, read_of(theirs)),
        notifier.deliveries(OTHER, endpoint_id=mine.endpoint_id),
    ):
        with pytest.raises(NotFoundError):
            await ask

    assert len(partner.heard) == 1
    assert await notifier.deliveries(OTHER) == []
    assert await notifier.deliveries(OTHER, handle="handle") == []
    [delivery] = await notifier.deliveries(ACCOUNT)
    with pytest.raises(NotFoundError):
        await notifier.deliveries(OTHER, before=delivery.delivery_id)
    assert await notifier.notices(OTHER, "handle") == PassNotices(contents=[], deliveries=[])


async def test_event_that_is_delivered_twice_is_posted_once(notifier: Notifier, partner: Partner):
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    event = an_event(ACCOUNT)

    await notifier.log(event, event)
    await notifier.run()
    await notifier.log(event)
    await notifier.run()

    assert len(partner.heard) == 1


async def test_endpoint_hears_only_what_it_wants(notifier: Notifier, partner: Partner):
    template_id = new_id()
    for path, fields in {
        "all": {},
        "scans": {"kinds": ["pass.scanned"]},
        "template": {"template_id": template_id},
        "both": {"kinds": ["pass.scanned"], "template_id": template_id},
    }.items():
        await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/{path}", **fields))
    off = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/off"))
    await notifier.update(change(off.endpoint, {"enabled": False}))

    await notifier.log(
        an_event(ACCOUNT, "scan"),
        an_event(ACCOUNT, "create", template_id=template_id),
        an_event(ACCOUNT, "scan", template_id=template_id),
        an_event(OTHER, "scan", template_id=template_id),
    )
    await notifier.run()

    heard = {path: len(partner.at(path)) for path in ("all", "scans", "template", "both", "off")}
    assert heard == {"all": 3, "scans": 2, "template": 2, "both": 1, "off": 0}


async def test_deleted_template_disables_its_endpoints(notifier: Notifier):
    template_id = new_id()
    bound = await notifier.create(an_endpoint(ACCOUNT, URL, template_id=template_id))
    free = await notifier.create(an_endpoint(ACCOUNT, URL))

    await notifier.tell(
        partial(handlers.end_templates, tell=notifier.announce),
        TemplateDeleted(template_id=template_id, account_id=ACCOUNT, revision=2),
    )

    queries = [read_of(bound.endpoint), read_of(free.endpoint)]
    read = await notifier.tell(endpoints.read_endpoints, *queries)
    assert [(e.enabled, e.disabled_reason) for e in read] == [
        (False, TEMPLATE_DELETED),
        (True, None),
    ]


async def test_deleted_endpoint_is_gone_and_its_deliveries_dropped(
    notifier: Notifier, partner: Partner
):
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))

    await notifier.tell(
        endpoints.delete_endpoints,
        DeleteEndpoint(
            command_id=new_id(), account_id=ACCOUNT, endpoint_id=made.endpoint.endpoint_id
        ),
    )
    await notifier.run()

    assert partner.heard == []
    assert [d.state for d in await notifier.deliveries(ACCOUNT)] == ["dropped"]
    with pytest.raises(NotFoundError):
        await notifier.tell(endpoints.read_endpoints, read_of(made.endpoint))


async def test_replay_sends_also_what_came_before_the_endpoint(
    notifier: Notifier, partner: Partner
):
    start = clock.now()
    events = [an_event(ACCOUNT, occurred_at=start + timedelta(milliseconds=n)) for n in range(5)]
    earlier = an_event(ACCOUNT, occurred_at=start - timedelta(hours=1))
    await notifier.log(earlier, *events, an_event(OTHER), an_event(ACCOUNT, "void"))
    made = await notifier.create(
        an_endpoint(ACCOUNT, f"{partner.url}/a", kinds=["pass.scanned", "pass.created"])
    )

    count = await notifier.replay(replay_of(made.endpoint, since=start))
    await notifier.run()

    assert count == 5
    ids = {h.headers["webhook-id"] for h in partner.heard}
    assert ids == {f"evt_{e.event_id.hex}" for e in events}
    assert verified(made.secret, partner.heard[0])
    assert await notifier.replay(replay_of(made.endpoint, event_id=earlier.event_id)) == 1
    await notifier.run()
    assert len(partner.heard) == 6


async def test_replay_of_only_failed_leaves_what_arrived(notifier: Notifier, partner: Partner):
    partner.answers["a"] = [500]
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    failed = an_event(ACCOUNT)
    await notifier.log(failed)
    for _ in range(10):
        await notifier.run()
        await notifier.bring_forward()
    partner.answers["a"] = [200]
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()
    partner.heard.clear()

    since = clock.now() - timedelta(hours=1)
    count = await notifier.replay(replay_of(made.endpoint, since=since, only_failed=True))
    await notifier.run()

    assert count == 1
    assert [h.headers["webhook-id"] for h in partner.heard] == [f"evt_{failed.event_id.hex}"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [({}, InvalidError), ({"event_id": new_id()}, NotFoundError),
     ({"event_id": new_id(), "since": datetime(2026, 1, 1, tzinfo=UTC)}, InvalidError),
     ({"since": datetime(2026, 1, 1)}, InvalidError)],  # noqa: DTZ001
)  # fmt: skip
async def test_replay_of_nothing_in_particular_is_refused(
    notifier: Notifier, fields: JsonObject, error: type[Exception]
):
    made = await notifier.create(an_endpoint(ACCOUNT, URL))

    with pytest.raises(error):
        await notifier.replay(replay_of(made.endpoint, **fields))


async def test_replay_takes_at_most_ten_thousand(notifier: Notifier):
    made = await notifier.create(an_endpoint(ACCOUNT, URL))
    await notifier.sql(
        """
        INSERT INTO events (event_id, account_id, kind, body, occurred_at, number)
        SELECT gen_random_uuid(), $1, 'pass.scanned', '{}', now() - n * interval '1 s', n
        FROM generate_series(1, 10001) n
        """,
        ACCOUNT,
    )

    with pytest.raises(InvalidError, match="10,000"):
        await notifier.replay(replay_of(made.endpoint, since=clock.now() - timedelta(days=1)))
    since = clock.now() - timedelta(seconds=10_000)
    assert await notifier.replay(replay_of(made.endpoint, since=since)) >= 9_990


async def test_deliveries_are_paged_newest_first(notifier: Notifier):
    made = [await notifier.create(an_endpoint(ACCOUNT, URL)) for _ in range(2)]
    events = [an_event(ACCOUNT, handle=f"handle {n % 2}") for n in range(10)]
    await notifier.log(*events)

    async def walk(**filters: object) -> list[tuple[UUID, UUID]]:
        found: list[tuple[UUID, UUID]] = []
        before = None
        while True:
            query = ListDeliveries.model_validate(
                {"account_id": ACCOUNT, "limit": 3, "before": before, **filters}
            )
            [page] = await notifier.tell(deliveries.list_deliveries, query)
            found += [(d.event_id, d.endpoint_id) for d in page.deliveries]
            if not page.more:
                return found
            before = page.deliveries[-1].delivery_id

    newest_first = [e.event_id for e in reversed(events)]
    everything = await walk()
    assert len(everything) == len(set(everything)) == 20
    assert [event for event, _ in everything][::2] == newest_first
    one = made[0].endpoint.endpoint_id
    assert await walk(endpoint_id=one) == [(event, one) for event in newest_first]
    assert len(await walk(handle="handle 1")) == 10
    assert len(await walk(handle="handle 1", endpoint_id=one, state="pending")) == 5
    assert await walk(state="delivered") == []
    with pytest.raises(InvalidError):
        await walk(state="sleeping")


async def test_notices_tell_what_became_of_a_pass(notifier: Notifier, partner: Partner):
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await notifier.log(an_event(ACCOUNT))
    await notifier.run()
    await notifier.build(content(1), content(2))
    await notifier.build(content(2))
    await notifier.tell(
        contents.mark_deleted,
        PassesDeleted(passes=[DeletedPass(handle="handle", account_id=ACCOUNT, version=9)]),
    )

    told = await notifier.notices(ACCOUNT, "handle")

    assert [c.content_number for c in told.contents] == [2, 1]
    assert [d.state for d in told.deliveries] == ["delivered"]


async def test_running_service_posts_soon_after_the_event_and_logs_no_secret(
    fresh_database: str, partner: Partner, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    await migrate(
        fresh_database, {"notifier": [MESSAGING, MIGRATIONS], "messaging": [TRANSPORT_MIGRATIONS]}
    )
    keys = MasterKeys.generate_text()
    service, transport = a_service(fresh_database, keys)
    running = RunningServices([service], transport)
    with capture_logs() as lines:
        try:
            await running.start()
            handle = {s.message: s.handler for s in service.subscriptions}
            async with service.database.work() as work:
                command = an_endpoint(ACCOUNT, f"{partner.url}/canary-path")
                [reply] = await handle[type(command)]([command], work)
            async with service.database.work() as work:
                event = an_event(ACCOUNT, data={"changes": {"name": ["", "canary-value"]}})
                await handle[EventsLogged]([EventsLogged(events=[event])], work)
            await partner.until(lambda: len(partner.heard) == 1, seconds=5)
        finally:
            await running.stop()

    made = opened(MasterKeys.parse(keys), reply)
    assert verified(made.secret, partner.heard[0])
    logged = repr(lines) + caplog.text
    for canary in (made.secret, made.secret[6:], "canary-value", "v1,", "whsec_"):
        assert canary not in logged


def read_of(endpoint: Endpoint) -> ReadEndpoint:
    return ReadEndpoint(account_id=endpoint.account_id, endpoint_id=endpoint.endpoint_id)


def change(endpoint: Endpoint, fields: JsonObject) -> UpdateEndpoint:
    return UpdateEndpoint(
        command_id=new_id(), account_id=endpoint.account_id, endpoint_id=endpoint.endpoint_id,
        fields=fields,
    )  # fmt: skip


def replay_of(endpoint: Endpoint, **fields: object) -> ReplayDeliveries:
    return ReplayDeliveries.model_validate(
        {"command_id": new_id(), "account_id": ACCOUNT, "endpoint_id": endpoint.endpoint_id}
        | fields
    )


def content(number: int) -> ContentBuilt:
    built = BuiltContent(
        handle="handle", account_id=ACCOUNT, template_id=new_id(), content_number=number,
        pass_version=number, push_version=0, last_modified=clock.now(),
    )  # fmt: skip
    return ContentBuilt(contents=[built])
