"""Webhook endpoints, in the words of /v1."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from shared.contracts.message import Done
from shared.contracts.notifier import (
    SECRET_PURPOSE,
    Attempt,
    CreateEndpoint,
    DeleteEndpoint,
    Delivery,
    DeliveryPage,
    Endpoint,
    EndpointPage,
    EndpointSecret,
    ListDeliveries,
    ListEndpoints,
    ReadEndpoint,
    ReplayDeliveries,
    Replayed,
    RotateSecret,
    TriedEndpoint,
    TryEndpoint,
    UpdateEndpoint,
)
from shared.errors import InvalidError, NotFoundError
from shared.identifiers import new_id
from tests.integration.gateway.conftest import AnAccount, Gateway
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
URL = "https://partner.example/hook"


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    """A notifier that keeps the endpoints it is told of."""
    owners = Owners(gateway.transport)
    kept: dict[UUID, Endpoint] = {}

    def create(command: CreateEndpoint) -> EndpointSecret:
        kept[command.endpoint_id] = Endpoint(
            endpoint_id=command.endpoint_id,
            account_id=command.account_id,
            url=command.url,
            description=command.description,
            kinds=command.kinds,
            template_id=command.template_id,
            created_at=NOON,
            updated_at=NOON,
        )
        return sealed(kept[command.endpoint_id], f"whsec_{new_id().hex}")

    def sealed(endpoint: Endpoint, secret: str) -> EndpointSecret:
        text = gateway.master_keys.seal(
            secret.encode(), purpose=SECRET_PURPOSE, owner=str(endpoint.account_id)
        )
        return EndpointSecret(endpoint=endpoint, sealed_secret=text)

    def find(request: ReadEndpoint | UpdateEndpoint | RotateSecret) -> Endpoint:
        found = kept.get(request.endpoint_id)
        if found is None or found.account_id != request.account_id:
            raise NotFoundError
        return found

    def update(command: UpdateEndpoint) -> Endpoint:
        changed = {**find(command).model_dump(), **command.fields}
        kept[command.endpoint_id] = Endpoint.model_validate(changed)
        return kept[command.endpoint_id]

    owners.answer(CreateEndpoint, create)
    owners.answer(ReadEndpoint, find)
    owners.answer(UpdateEndpoint, update)
    owners.answer(RotateSecret, lambda command: sealed(find(command), "whsec_new"))
    return owners


async def make(account: AnAccount, **fields: Any) -> dict[str, Any]:
    answer = await account.call("POST", "/v1/webhooks", {"url": URL, **fields})
    assert answer.status == 201, answer.content
    return answer.json


async def test_new_webhook_shows_its_secret_also_to_a_repeat(an_account: AnAccount, owners: Owners):
    body = {"url": URL, "description": "till", "types": ["pass.scanned", "member.*"]}

    answer = await an_account.call("POST", "/v1/webhooks", body, key="hook")
    again = await an_account.call("POST", "/v1/webhooks", body, key="hook")
    read = await an_account.call("GET", answer.headers["location"])

    webhook = answer.json
    assert answer.status == 201
    assert webhook["secret"].startswith("whsec_")
    assert {name: webhook[name] for name in body} == body
    assert (webhook["enabled"], webhook["disabled_reason"]) == (True, None)
    assert again.json == webhook
    assert again.headers["idempotent-replayed"] == "true"
    assert read.json == {name: value for name, value in webhook.items() if name != "secret"}
    assert owners.asked_for(CreateEndpoint)[0].kinds == ["pass.scanned", "member.*"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "ftp://partner.example"}, "/url"),
        ({"url": URL, "types": ["pass.*", "pass.teapot"]}, "/types/1"),
        ({"url": URL, "kinds": []}, "/kinds"),
        ({"url": URL, "template_id": str(new_id())}, "/template_id"),
        ({}, "/url"),
    ],
)
async def test_malformed_webhook_is_pointed_at(
    an_account: AnAccount, owners: Owners, body: dict[str, Any], pointer: str
):
    answer = await an_account.call("POST", "/v1/webhooks", body)

    assert (answer.status, list(answer.faults)) == (422, [pointer])
    assert not owners.asked


@pytest.mark.parametrize("url", ["HTTPS://Partner.example/hook", f"  {URL}\n"])
async def test_address_is_taken_in_any_case_and_with_blanks_around_it(
    an_account: AnAccount, owners: Owners, url: str
):
    answer = await an_account.call("POST", "/v1/webhooks", {"url": url})

    assert answer.status == 201, answer.content
    assert owners.asked_for(CreateEndpoint)[0].url == url.strip()


async def test_what_is_no_address_is_refused_in_words(an_account: AnAccount, owners: Owners):
    answer = await an_account.call("POST", "/v1/webhooks", {"url": "partner.example"})

    assert answer.faults == {"/url": "An address that begins with https:// is needed"}
    assert not owners.asked


async def test_faults_the_owner_finds_are_in_our_words(an_account: AnAccount, owners: Owners):
    faults = [{"pointer": "/url", "detail": "private"}, {"pointer": "/kinds", "detail": "odd"}]
    owners.answer(CreateEndpoint, lambda _: InvalidError(errors=faults))

    answer = await an_account.call("POST", "/v1/webhooks", {"url": URL})

    assert answer.faults == {"/url": "private", "/types": "odd"}


async def test_webhook_may_listen_to_one_template(an_account: AnAccount, owners: Owners):
    template_id = await make_template(an_account)

    webhook = await make(an_account, template_id=template_id)

    assert webhook["template_id"] == template_id


async def test_webhook_of_another_account_is_not_there(
    an_account: AnAccount, another_account: AnAccount, owners: Owners
):
    address = f"/v1/webhooks/{(await make(an_account))['webhook_id']}"

    assert (await another_account.call("GET", address)).status == 404
    assert (await another_account.call("PATCH", address, {"enabled": False})).status == 404
    assert (await an_account.call("GET", "/v1/webhooks/coffee")).status == 404


async def test_patch_sends_only_the_fields_given(an_account: AnAccount, owners: Owners):
    address = f"/v1/webhooks/{(await make(an_account, description='till'))['webhook_id']}"

    answer = await an_account.call(
        "PATCH", address, {"enabled": False, "types": ["pass.scanned"], "description": None}
    )
    broken = await an_account.call("PATCH", address, {"url": None})

    (command,) = owners.asked_for(UpdateEndpoint)
    assert command.fields == {"enabled": False, "kinds": ["pass.scanned"], "description": None}
    assert answer.status == 200
    assert (answer.json["enabled"], answer.json["types"]) == (False, ["pass.scanned"])
    assert list(broken.faults) == ["/url"]


async def test_webhooks_are_listed_in_pages(an_account: AnAccount, owners: Owners):
    endpoints = [
        Endpoint(
            endpoint_id=new_id(),
            account_id=an_account.account_id,
            url=URL,
            kinds=[],
            created_at=NOON,
            updated_at=NOON,
        )
        for _ in range(3)
    ]

    def page(query: ListEndpoints) -> EndpointPage:
        rest = [e for e in endpoints if query.after is None or e.endpoint_id > query.after]
        return EndpointPage(endpoints=rest[: query.limit], more=len(rest) > query.limit)

    owners.answer(ListEndpoints, page)
    first = await an_account.call("GET", "/v1/webhooks?limit=2")
    second = await an_account.call("GET", f"/v1/webhooks?cursor={first.json['next_cursor']}")

    ids = [webhook["webhook_id"] for webhook in first.json["data"] + second.json["data"]]
    assert ids == [str(endpoint.endpoint_id) for endpoint in endpoints]
    assert second.json["next_cursor"] is None


async def test_webhook_is_removed(an_account: AnAccount, owners: Owners):
    owners.answer(DeleteEndpoint, lambda _: Done())
    webhook_id = new_id()

    answer = await an_account.call("DELETE", f"/v1/webhooks/{webhook_id}")

    assert (answer.status, answer.content) == (204, b"")
    assert owners.asked_for(DeleteEndpoint)[0].endpoint_id == webhook_id


async def test_secret_is_rotated_with_a_grace(an_account: AnAccount, owners: Owners):
    address = f"/v1/webhooks/{(await make(an_account))['webhook_id']}/rotate-secret"

    answer = await an_account.call("POST", address, {"grace": 60})
    await an_account.call("POST", address, {})
    endless = await an_account.call("POST", address, {"grace": 10**9})

    assert (answer.status, answer.json["secret"]) == (200, "whsec_new")
    assert [command.grace for command in owners.asked_for(RotateSecret)] == [60, 86_400]
    assert list(endless.faults) == ["/grace"]


async def test_events_are_sent_again(an_account: AnAccount, owners: Owners):
    owners.answer(ReplayDeliveries, lambda _: Replayed(count=12))
    address = f"/v1/webhooks/{new_id()}"
    body = {"since": "2026-11-21T12:00:00Z", "only_failed": True}

    answer = await an_account.call("POST", f"{address}/replay", body)
    neither = await an_account.call("POST", f"{address}/replay", {})
    ranged = await an_account.call(
        "POST", f"{address}/replay", {"since": "2026-11-21T12:00:00Z", "until": "2026-11-22T12:00Z"}
    )
    backwards = await an_account.call(
        "POST", f"{address}/replay", {"since": "2026-11-21T12:00:00Z", "until": "2026-11-21T12:00Z"}
    )
    local = await an_account.call("POST", f"{address}/replay", {"since": "2026-11-21T12:00:00"})

    command, with_end = owners.asked_for(ReplayDeliveries)
    assert (ranged.status, backwards.status) == (202, 422)
    assert (with_end.since, with_end.until) == (NOON, NOON + timedelta(days=1))
    assert (answer.status, answer.json) == (202, {"count": 12})
    assert answer.headers["location"] == f"{address}/deliveries"
    assert (command.since, command.only_failed, command.event_id) == (NOON, True, None)
    assert (neither.status, list(local.faults)) == (422, ["/since"])


async def test_deliveries_are_listed_with_their_attempts(an_account: AnAccount, owners: Owners):
    webhook_id = new_id()
    delivery = Delivery(
        delivery_id=new_id(),
        endpoint_id=webhook_id,
        event_id=new_id(),
        webhook_id="msg_7",
        kind="pass.scanned",
        handle="h",
        state="exhausted",
        created_at=NOON,
        attempts=[Attempt(number=1, at=NOON, status=500, milliseconds=12, response="oops")],
    )
    owners.answer(ListDeliveries, lambda _: DeliveryPage(deliveries=[delivery], more=True))

    address = f"/v1/webhooks/{webhook_id}/deliveries?state=exhausted"
    answer = await an_account.call("GET", address)
    await an_account.call("GET", f"{address}&cursor={answer.json['next_cursor']}")
    strange = await an_account.call("GET", f"/v1/webhooks/{webhook_id}/deliveries?state=lost")

    (told,) = answer.json["data"]
    assert (told["type"], told["message_id"], told["state"]) == (
        "pass.scanned",
        "msg_7",
        "exhausted",
    )
    assert told["attempts"][0]["response"] == "oops"
    first, second = owners.asked_for(ListDeliveries)
    assert (first.endpoint_id, first.state, first.before) == (webhook_id, "exhausted", None)
    assert second.before == delivery.delivery_id
    assert strange.status == 422


async def test_test_is_sent_to_a_webhook(an_account: AnAccount, owners: Owners):
    webhook_id, sent = new_id(), TriedEndpoint(delivery_id=new_id(), event_id=new_id())
    owners.answer(TryEndpoint, lambda _: sent)
    address = f"/v1/webhooks/{webhook_id}"

    answer = await an_account.call("POST", f"{address}/test", key="once")
    again = await an_account.call("POST", f"{address}/test", key="once")

    assert (answer.status, again.json) == (202, answer.json)
    assert answer.json == {"delivery_id": str(sent.delivery_id), "event_id": str(sent.event_id)}
    assert answer.headers["location"] == f"{address}/deliveries"
    assert {command.endpoint_id for command in owners.asked_for(TryEndpoint)} == {webhook_id}
