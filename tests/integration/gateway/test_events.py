"""The event feed, in the words of /v1, and the document that describes what is told."""

import orjson
import pytest
import pytest_asyncio

from shared.contracts.notifier import FeedPage, ListEvents
from shared.contracts.partners import CursorExpiredError
from tests.integration.gateway.conftest import AnAccount, Gateway
from tests.integration.gateway.owners import Owners
from tests.schemas import document


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    owners = Owners(gateway.transport)
    page = FeedPage(events=['{"sequence":8,"id":"é"}', '{"sequence":9}'], after=9, more=True)
    owners.answer(ListEvents, lambda _: page)
    return owners


async def test_events_come_as_they_are_posted_with_where_to_go_on(
    an_account: AnAccount, owners: Owners
):
    answer = await an_account.call(
        "GET", "/v1/events?after=7&limit=2&types=pass.*&types=points.changed"
    )

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {
        "data": [{"sequence": 8, "id": "é"}, {"sequence": 9}],
        "next_cursor": "9",
        "has_more": True,
    }
    (asked,) = owners.asked_for(ListEvents)
    assert (asked.account_id, asked.after, asked.limit) == (an_account.account_id, 7, 2)
    assert (asked.kinds, asked.latest) == (["pass.*", "points.changed"], False)


async def test_feed_begins_at_the_oldest_or_now(an_account: AnAccount, owners: Owners):
    owners.answer(ListEvents, lambda _: FeedPage(events=[], after=41, more=False))

    answer = await an_account.call("GET", "/v1/events")
    await an_account.call("GET", "/v1/events?after=latest")

    assert answer.json == {"data": [], "next_cursor": "41", "has_more": False}
    oldest, newest = owners.asked_for(ListEvents)
    assert (oldest.after, oldest.latest, newest.after, newest.latest) == (None, False, None, True)


async def test_cursor_that_has_expired_is_gone(an_account: AnAccount, owners: Owners):
    owners.answer(ListEvents, lambda _: CursorExpiredError())

    answer = await an_account.call("GET", "/v1/events?after=3")

    assert (answer.status, answer.json["code"]) == (410, "cursor_expired")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("after=x", "?after"), ("after=-1", "?after"), ("after=9999999999999999999", "?after"),
     ("limit=1001", "?limit"), ("types=pass.teapot", "?types"), ("cursor=1", "?cursor")],
)  # fmt: skip
async def test_malformed_question_is_pointed_at(
    an_account: AnAccount, owners: Owners, query: str, pointer: str
):
    answer = await an_account.call("GET", f"/v1/events?{query}")

    assert (answer.status, list(answer.faults)) == (422, [pointer])
    assert not owners.asked


async def test_unknown_type_is_named(an_account: AnAccount, owners: Owners):
    answer = await an_account.call("GET", "/v1/events?types=pass.teapot")

    assert "pass.teapot" in answer.faults["?types"]


async def test_key_without_the_scope_reads_nothing(an_account: AnAccount, owners: Owners):
    till = await an_account.with_scopes("scans:write")

    assert (await till.call("GET", "/v1/events")).status == 403


async def test_document_of_events_is_served_and_linked(gateway: Gateway):
    answer = await gateway.call("GET", "/asyncapi.json")
    page = await gateway.call("GET", "/docs")

    served = orjson.loads(answer.content)
    assert served["asyncapi"] == "3.0.0"
    assert served["components"] == orjson.loads(orjson.dumps(document()["components"]))
    assert b'href="/asyncapi.json"' in page.content
