"""The feed is complete and in order, however transactions overlap; what is too old is said."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from services.notifier import handlers
from services.notifier.feed.domain.happenings import of_pass
from services.notifier.feed.handlers import sources
from services.notifier.feed.repository import feed as feeds
from services.notifier.feed.repository.fetches import MAX_A_DAY
from services.notifier.jobs import forget_old
from services.notifier.partners.domain.webhooks import GONE, TEMPLATE_DELETED
from shared import clock
from shared.contracts.gateway import TemplateDeleted, TemplateSaved
from shared.contracts.member import EnrolmentNews, Member, MembersChanged, MembersEnrolled
from shared.contracts.notifier import NoteFetch, ReplayDeliveries, UpdateEndpoint
from shared.contracts.triggers import EventsLogged
from shared.database import UnitOfWork
from shared.errors import ConflictError, GoneError, InvalidError, NotFoundError
from shared.identifiers import new_id
from tests.integration.notifier.partner import (
    Notifier,
    Partner,
    an_endpoint,
    an_event,
    verified,
)
from tests.schemas import checked

ACCOUNT, OTHER = new_id(), new_id()
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def test_later_number_is_never_seen_before_an_earlier_one(notifier: Notifier):
    earlier, later = of_pass(an_event(ACCOUNT)), of_pass(an_event(ACCOUNT))
    async with notifier.database.work() as held:
        await notifier.announce(held, [earlier])
        second = asyncio.create_task(notifier.happen(later))
        await notifier.until_waiting_for_a_lock()

        assert await notifier.told(ACCOUNT) == []
        assert not second.done()
        await notifier.happen(of_pass(an_event(OTHER)))  # another account does not wait
    await second

    assert [(e["sequence"], e["id"]) for e in await notifier.told(ACCOUNT)] == [
        (1, f"evt_{earlier.event_id.hex}"),
        (2, f"evt_{later.event_id.hex}"),
    ]


async def test_endpoint_created_while_an_event_waits_for_its_number_hears_of_it(
    notifier: Notifier, partner: Partner
):
    async with notifier.database.work() as held:
        await notifier.announce(held, [of_pass(an_event(ACCOUNT))])
        waiting = asyncio.create_task(notifier.happen(of_pass(an_event(ACCOUNT))))
        await notifier.until_waiting_for_a_lock()
        made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
    await waiting
    await notifier.run()

    assert [verified(made.secret, heard)["sequence"] for heard in partner.heard] == [2]


async def test_number_of_a_transaction_that_fails_is_used_by_the_next(notifier: Notifier):
    async def fail(messages: list[EventsLogged], work: UnitOfWork) -> None:
        await handlers.store_events(
            messages, work, tell=notifier.announce, start_pushing=notifier.pushes.set
        )
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await notifier.tell(fail, EventsLogged(events=[an_event(ACCOUNT)]))
    await notifier.log(an_event(ACCOUNT))

    assert [e["sequence"] for e in await notifier.told(ACCOUNT)] == [1]


async def test_many_at_once_leave_no_gap_and_a_reader_misses_nothing(notifier: Notifier):
    async def write() -> None:
        for _ in range(10):
            await notifier.log(*(an_event(a) for a in (OTHER, ACCOUNT, ACCOUNT, OTHER)))

    async def read() -> list[int]:
        seen: list[int] = []
        cursor = 0
        while len(seen) < 80:
            page = await notifier.feed(ACCOUNT, after=cursor, limit=7)
            seen += [checked(event)["sequence"] for event in page.events]
            cursor = page.after
        return seen

    *_, seen = await asyncio.gather(*(write() for _ in range(4)), read())

    assert seen == list(range(1, 81))
    for account in (ACCOUNT, OTHER):
        told = await notifier.told(account)
        assert [e["sequence"] for e in told] == list(range(1, 81))


async def test_event_that_is_told_twice_has_one_number_and_leaves_no_gap(notifier: Notifier):
    first, second, third = (an_event(ACCOUNT) for _ in range(3))
    await notifier.log(first)

    await notifier.log(second, first, third, second)

    told = await notifier.told(ACCOUNT)
    assert [(e["sequence"], e["id"]) for e in told] == [
        (number, f"evt_{event.event_id.hex}")
        for number, event in enumerate((first, second, third), start=1)
    ]
    await notifier.log(an_event(ACCOUNT))
    assert [e["sequence"] for e in await notifier.told(ACCOUNT, after=3)] == [4]


async def test_pages_go_on_where_the_one_before_ended(notifier: Notifier):
    await notifier.log(*(an_event(ACCOUNT) for _ in range(5)))

    pages = [await notifier.feed(ACCOUNT, after=after, limit=2) for after in (None, 2, 4, 5)]

    assert [(len(p.events), p.after, p.more) for p in pages] == [
        (2, 2, True), (2, 4, True), (1, 5, False), (0, 5, False),
    ]  # fmt: skip
    latest = await notifier.feed(ACCOUNT, latest=True)
    assert (latest.events, latest.after, latest.more) == ([], 5, False)
    nothing = await notifier.feed(OTHER)
    assert (nothing.events, nothing.after, nothing.more) == ([], 0, False)


async def test_types_choose_and_the_cursor_passes_the_others(
    notifier: Notifier, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feeds, "MAX_EXAMINED", 4)
    await notifier.log(*(an_event(ACCOUNT, "check") for _ in range(6)), an_event(ACCOUNT, "void"))

    first = await notifier.feed(ACCOUNT, kinds=["pass.voided"])
    second = await notifier.feed(ACCOUNT, kinds=["pass.voided"], after=first.after)

    assert (first.events, first.after, first.more) == ([], 4, True)
    assert (len(second.events), second.after, second.more) == (1, 7, False)
    assert len((await notifier.feed(ACCOUNT, kinds=["pass.*"], after=5)).events) == 2
    assert (await notifier.feed(ACCOUNT, kinds=["member.*"], after=5)).after == 7
    with pytest.raises(InvalidError):
        await notifier.feed(ACCOUNT, kinds=["tea.*"])


async def test_page_is_cut_by_bytes_and_nothing_is_lost(notifier: Notifier):
    long = {"changes": {"name": ["", "x" * 60_000]}}
    await notifier.log(*(an_event(ACCOUNT, data=long) for _ in range(12)))

    seen, page = 0, await notifier.feed(ACCOUNT, limit=1000)
    pages = 1
    while True:
        assert sum(map(len, page.events)) <= 400 * 1024
        seen += len(page.events)
        if not page.more:
            break
        page = await notifier.feed(ACCOUNT, after=page.after, limit=1000)
        pages += 1

    assert (seen, pages) == (12, 2)


async def test_cursor_whose_events_are_forgotten_is_refused(notifier: Notifier):
    await notifier.log(*(an_event(ACCOUNT) for _ in range(3)))
    await notifier.sql("UPDATE events SET received_at = now() - interval '35 days'")
    await notifier.log(*(an_event(ACCOUNT) for _ in range(2)))
    await forget_old(notifier.database)

    for after in (0, 2):
        with pytest.raises(GoneError) as caught:
            await notifier.feed(ACCOUNT, after=after)
        assert caught.value.code == "cursor_expired"
    assert [e["sequence"] for e in await notifier.told(ACCOUNT, after=3)] == [4, 5]
    assert [e["sequence"] for e in await notifier.told(ACCOUNT)] == [4, 5]
    with pytest.raises(InvalidError):
        await notifier.feed(ACCOUNT, after=6)


async def test_cursor_expires_also_where_nothing_came_since(notifier: Notifier):
    await notifier.log(*(an_event(ACCOUNT) for _ in range(2)))
    await notifier.sql("UPDATE events SET received_at = now() - interval '35 days'")
    await forget_old(notifier.database)

    with pytest.raises(GoneError):
        await notifier.feed(ACCOUNT, after=1)
    assert (await notifier.feed(ACCOUNT, after=2)).events == []


async def test_accounts_read_only_their_own(notifier: Notifier):
    await notifier.log(an_event(ACCOUNT), an_event(OTHER), an_event(ACCOUNT))

    assert {e["account"] for e in await notifier.told(ACCOUNT)} == {str(ACCOUNT)}
    assert [e["sequence"] for e in await notifier.told(OTHER)] == [1]


async def test_what_is_posted_is_what_the_feed_says(notifier: Notifier, partner: Partner):
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a", kinds=["pass.*"]))
    await notifier.log(*(an_event(ACCOUNT) for _ in range(3)))
    await notifier.run()

    posted = sorted((verified(made.secret, h) for h in partner.heard), key=by_sequence)
    assert posted == await notifier.told(ACCOUNT)


async def test_members_are_told_once_and_who_they_are_never(notifier: Notifier, partner: Partner):
    await notifier.create(
        an_endpoint(ACCOUNT, f"{partner.url}/a", kinds=["member.*", "points.changed"])
    )
    bound = an_endpoint(ACCOUNT, f"{partner.url}/bound", template_id=new_id())
    await notifier.create(bound)
    second = a_member(2, name="Grace Hopper", email="g@example.com", points=7)

    await tell_members(notifier, second, a_member(1, name="Ada", points=5))
    await tell_members(notifier, a_member(1, name="Ada", points=5), second)
    await tell_members(notifier, a_member(3, deleted=True))
    await notifier.run()

    told = await notifier.told(ACCOUNT)
    assert [e["type"] for e in told] == [
        "member.created", "member.updated", "points.changed", "member.deleted",
    ]  # fmt: skip
    assert len(partner.at("a")) == 4
    assert partner.at("bound") == []
    kept = str(await notifier.sql("""
        SELECT
            announced::text,
            (SELECT string_agg(body, '') FROM events)
        FROM announced
    """))  # fmt: skip
    assert not any(secret in kept for secret in ("Grace", "Ada", "example.com"))


async def test_enrolments_are_told_to_those_who_hear_of_members_or_of_the_template(
    notifier: Notifier, partner: Partner
):
    template_id = new_id()
    news = EnrolmentNews(
        event_id=new_id(), kind="enrolled", account_id=ACCOUNT, template_id=template_id,
        member_id="m", enrolment_id=new_id(), handle="h", occurred_at=NOON,
    )  # fmt: skip
    conflict = news.model_copy(
        update={"event_id": new_id(), "kind": "conflict", "fields": ["email"]}
    )
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a", kinds=["member.*"]))
    for name, bound in (("bound", template_id), ("other", new_id())):
        await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/{name}", template_id=bound))
    handler = partial(sources.tell_enrolments, tell=notifier.announce)

    for _ in range(2):
        await notifier.tell(handler, MembersEnrolled(news=[news, conflict]))
    await notifier.run()

    told = await notifier.told(ACCOUNT)
    assert [e["type"] for e in told] == ["member.enrolled", "member.enrolment_conflict"]
    assert [len(partner.at(name)) for name in ("a", "bound", "other")] == [2, 2, 0]


async def test_two_transactions_tell_a_member_once(notifier: Notifier):
    changed = [MembersChanged(members=[a_member(n, points=n)]) for n in (1, 2, 3)]
    handler = partial(sources.tell_members, tell=notifier.announce)

    await asyncio.gather(*(notifier.tell(handler, message) for message in changed))

    told = await notifier.told(ACCOUNT)
    assert [e["type"] for e in told].count("member.created") == 1
    created, *changes = told
    assert created["data"]["points"] + sum(e["data"]["delta"] for e in changes) == 3


async def test_what_is_kept_of_deleted_members_is_forgotten(notifier: Notifier):
    await tell_members(notifier, a_member(1), a_member(2, deleted=True))
    await notifier.sql("UPDATE announced SET changed_at = now() - interval '31 days'")

    await forget_old(notifier.database)

    assert await notifier.sql("SELECT FROM announced") == []


async def test_resent_catalogue_tells_nothing_again(notifier: Notifier):
    template_id = new_id()
    for revision in (1, 2, 2, 1):
        await tell_template(notifier, a_template(template_id, revision))

    told = await notifier.told(ACCOUNT)
    assert [(e["type"], e["data"]["revision"]) for e in told] == [
        ("template.created", 1),
        ("template.updated", 2),
    ]


async def test_end_of_a_template_is_told_with_the_endpoints_it_ends(
    notifier: Notifier, partner: Partner
):
    template_id = new_id()
    bound = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/b", template_id=template_id))
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/free"))
    end = TemplateDeleted(template_id=template_id, account_id=ACCOUNT, revision=3)

    for _ in range(2):
        await notifier.tell(partial(handlers.end_templates, tell=notifier.announce), end)
    await notifier.run()

    gone, disabled = await notifier.told(ACCOUNT)
    assert (gone["type"], disabled["type"]) == ("template.deleted", "endpoint.disabled")
    assert disabled["data"] == {
        "webhook_id": str(bound.endpoint.endpoint_id),
        "reason": TEMPLATE_DELETED,
    }
    assert (len(partner.at("free")), partner.at("b")) == (2, [])


@pytest.mark.parametrize("stopped", [False, True])
async def test_disabled_endpoint_is_told_to_the_others_and_in_the_feed(
    notifier: Notifier, partner: Partner, stopped: bool, # noqa: FBT001
):  # fmt: skip
    partner.answers["dead"] = [410]
    dead = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/dead"))
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/alive", kinds=["endpoint.*"]))
    await notifier.log(an_event(ACCOUNT))
    if stopped:  # it lands while the process ends
        partner.held["dead"] = asyncio.Event()
        running = asyncio.create_task(notifier.run())
        await partner.until(lambda: len(partner.heard) == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        partner.held["dead"].set()
        await notifier.job.stop()
    await notifier.run()

    _, disabled = await notifier.told(ACCOUNT)
    [heard] = partner.at("alive")
    assert disabled["type"] == "endpoint.disabled"
    assert disabled["subject"] == {"kind": "webhook", "id": str(dead.endpoint.endpoint_id)}
    assert disabled["data"]["reason"] == GONE
    assert heard.headers["webhook-id"] == disabled["id"]
    assert len(partner.at("dead")) == 1


async def test_events_that_failed_ten_times_are_told_and_since_when(
    notifier: Notifier, partner: Partner
):
    partner.answers["dead"] = [500]
    only_scans = {"kinds": ["pass.scanned"]}
    dead = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/dead", **only_scans))
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/alive", kinds=["delivery.*"]))
    missed = [an_event(ACCOUNT, occurred_at=NOON + timedelta(hours=n)) for n in range(3)]
    await notifier.log(*missed)
    await notifier.test(dead.endpoint)

    await fail_to_the_end(notifier)

    exhausted = await notifier.told(ACCOUNT, kinds=["delivery.exhausted"])
    endpoint_id = str(dead.endpoint.endpoint_id)
    assert [h.headers["webhook-id"] for h in partner.at("alive")] == [e["id"] for e in exhausted]
    assert {e["subject"]["id"] for e in exhausted} == {endpoint_id}
    assert {e["data"]["webhook_id"] for e in exhausted} == {endpoint_id}
    assert min(e["data"]["since"] for e in exhausted) == "2026-11-21T12:00:00Z"
    named = [message_id for e in exhausted for message_id in e["data"]["message_ids"]]
    assert sorted(named) == sorted(f"evt_{event.event_id.hex}" for event in missed)
    assert len(await notifier.deliveries(ACCOUNT, state="exhausted")) == 4


async def test_that_it_was_told_in_vain_is_not_told(notifier: Notifier, partner: Partner):
    partner.answers["dead"] = [500]
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/dead"))
    await notifier.log(an_event(ACCOUNT))

    for _ in range(3):
        await fail_to_the_end(notifier)

    told = [event["type"] for event in await notifier.told(ACCOUNT)]
    assert told == ["pass.scanned", "delivery.exhausted"]
    assert len(await notifier.deliveries(ACCOUNT, state="exhausted")) == 2


async def test_test_goes_to_one_endpoint_signed_and_logged_but_not_into_the_feed(
    notifier: Notifier, partner: Partner
):
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a", kinds=["pass.voided"]))
    await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/b"))

    sent = await notifier.test(made.endpoint)
    await notifier.run()

    [heard] = partner.heard
    body = verified(made.secret, heard)
    assert (heard.path, body["type"], body["sequence"]) == ("a", "webhook.test", 0)
    [delivery] = await notifier.deliveries(ACCOUNT)
    assert (delivery.delivery_id, delivery.event_id) == (sent.delivery_id, sent.event_id)
    assert (delivery.kind, delivery.state) == ("webhook.test", "delivered")
    assert await notifier.told(ACCOUNT) == []
    assert await replay(notifier, made.endpoint.endpoint_id, since=NOON) == 0


async def test_test_of_an_endpoint_that_hears_nothing_is_a_conflict(notifier: Notifier):
    made = await notifier.create(an_endpoint(ACCOUNT, "http://127.0.0.1:9/hook"))
    off = UpdateEndpoint(
        command_id=new_id(), account_id=ACCOUNT, endpoint_id=made.endpoint.endpoint_id,
        fields={"enabled": False},
    )  # fmt: skip
    await notifier.update(off)

    with pytest.raises(ConflictError):
        await notifier.test(made.endpoint)
    with pytest.raises(NotFoundError):
        await notifier.test(made.endpoint.model_copy(update={"account_id": OTHER}))


async def test_fetch_is_told_with_what_was_fetched(notifier: Notifier):
    handle, template_id = "h", new_id()
    note = NoteFetch(
        account_id=ACCOUNT, template_id=template_id, handle=handle, pass_type_identifier="pass.tea",
        serial_number="1", content_number=3, pass_version=4, status=200, source="public", at=NOON,
    )  # fmt: skip

    await notifier.tell(
        partial(handlers.tell_fetches, tell=notifier.announce, start_pushing=notifier.pushes.set),
        note,
    )

    [fetched] = await notifier.told(ACCOUNT, kinds=["pass.fetched"])
    assert (fetched["subject"]["id"], fetched["cause"]) == (handle, {"kind": "public"})
    assert fetched["data"] == {
        "handle": handle, "template_id": str(template_id), "version": 4, "content_number": 3,
        "status": 200, "source": "public",
    }  # fmt: skip


async def test_fetches_of_a_pass_are_told_a_thousand_times_a_day_and_no_more(notifier: Notifier):
    notes = [
        NoteFetch(
            account_id=ACCOUNT, template_id=new_id(), handle=handle,
            pass_type_identifier="pass.tea", serial_number=handle, content_number=1,
            pass_version=1, status=200, source="public", at=NOON,
        )
        for handle in ["popular"] * (MAX_A_DAY + 5) + ["quiet"]
    ]  # fmt: skip

    await notifier.tell(
        partial(handlers.tell_fetches, tell=notifier.announce, start_pushing=notifier.pushes.set),
        *notes,
    )

    rows = await notifier.sql("SELECT handle FROM events WHERE kind = 'pass.fetched'")
    told = Counter(row["handle"] for row in rows)
    assert told == {"popular": MAX_A_DAY, "quiet": 1}


async def test_range_is_replayed_by_wildcard_in_the_feeds_order(
    notifier: Notifier, partner: Partner
):
    moments = [NOON + timedelta(minutes=minute) for minute in range(6)]
    logged = [an_event(ACCOUNT, occurred_at=moment) for moment in moments]
    await notifier.log(*logged)
    await tell_members(notifier, a_member(1, updated_at=moments[2]))
    made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a", kinds=["pass.*"]))

    count = await replay(notifier, made.endpoint.endpoint_id, since=moments[1], until=moments[4])
    await notifier.run()

    assert count == 3
    heard = sorted((verified(made.secret, h) for h in partner.heard), key=by_sequence)
    assert [e["id"] for e in heard] == [f"evt_{e.event_id.hex}" for e in logged[1:4]]
    wrong: list[dict[str, Any]] = [
        {"since": moments[1], "until": moments[1]},
        {"event_id": logged[0].event_id, "until": moments[1]},
        {"since": moments[0], "until": datetime(2026, 11, 21)},  # noqa: DTZ001
    ]
    for fields in wrong:
        with pytest.raises(InvalidError):
            await replay(notifier, made.endpoint.endpoint_id, **fields)


def by_sequence(event: dict[str, Any]) -> int:
    return event["sequence"]


async def replay(notifier: Notifier, endpoint_id: Any, **fields: Any) -> int:
    return await notifier.replay(
        ReplayDeliveries(command_id=new_id(), account_id=ACCOUNT, endpoint_id=endpoint_id, **fields)
    )


async def fail_to_the_end(notifier: Notifier) -> None:
    """Let all that fails be attempted for the last time."""
    for _ in range(10):
        await notifier.run()
        await notifier.bring_forward()


async def tell_members(notifier: Notifier, *members: Member) -> None:
    handler = partial(sources.tell_members, tell=notifier.announce)
    await notifier.tell(handler, MembersChanged(members=list(members)))


async def tell_template(notifier: Notifier, saved: TemplateSaved) -> None:
    await notifier.tell(partial(sources.tell_templates, tell=notifier.announce), saved)


def a_member(version: int, **fields: Any) -> Member:
    given: dict[str, Any] = {"created_at": clock.now(), "updated_at": clock.now(), **fields}
    return Member(account_id=ACCOUNT, member_id="m", version=version, **given)


def a_template(template_id: Any, revision: int) -> TemplateSaved:
    return TemplateSaved(
        template_id=template_id, account_id=ACCOUNT, revision=revision, template_name="Card",
        organization_name="Tea", apple_identity_id=new_id(), document={}, images={},
    )  # fmt: skip
