"""Messages in the words of /v1: which field says them, and what is refused."""

from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from shared.contracts.notifier import GoogleOutlook, GoogleTold, ReadGoogleOutlook, TellGoogle
from shared.contracts.triggers import ChangePass, PassChanged, PassesPushed, PushPasses
from shared.errors import InvalidError, UnavailableError
from tests.integration.gateway.conftest import AnAccount, Gateway
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template

NEWS: dict[str, Any] = {"key": "news", "label": "News", "value": "None yet", "changeMessage": "%@"}
PATH = "structure_backFields_news_value"


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    owners = Owners(gateway.transport)
    change: Any = owners._change  # pyright: ignore[reportPrivateUsage]

    def changed(command: ChangePass) -> PassChanged:
        before = owners.passes[command.handle].values
        reply: PassChanged = change(command)
        after = owners.passes[command.handle].values
        return reply.model_copy(update={"values_changed": before != after})

    owners.answer(ChangePass, changed)
    owners.answer(PushPasses, lambda command: PassesPushed(count=1, job_id=command.command_id))
    return owners


async def with_fields(account: AnAccount, *back: dict[str, Any], **changes: Any) -> str:
    card = {"headerFields": [{"key": "points", "value": 7}], "backFields": list(back)}
    return await make_template(account, {"storeCard": card, **changes})


async def a_pass(account: AnAccount, template_id: str, **values: Any) -> str:
    answer = await account.call(
        "POST", "/v1/passes", {"template_id": template_id, "values": values}
    )
    return answer.json["handle"]


async def send(account: AnAccount, text: str = "Hello", key: str | None = None, **to: Any) -> Any:
    return await account.call("POST", "/v1/messages", {"text": text, **to}, key=key)


async def test_message_to_a_pass_sets_its_news(an_account: AnAccount, owners: Owners):
    handle = await a_pass(an_account, await with_fields(an_account, NEWS))

    answer = await send(an_account, handle=handle)

    (command,) = owners.asked_for(ChangePass)
    assert answer.status == 202
    assert answer.json == {
        "field": "news", "path": PATH, "handle": handle, "version": 2,
        "template_id": None, "revision": None, "job_id": None, "google": None, "warnings": [],
    }  # fmt: skip
    assert (command.kind, command.values, command.push) == ("update", {PATH: "Hello"}, True)


async def test_message_to_all_is_a_revision_and_a_push(an_account: AnAccount, owners: Owners):
    template_id = await with_fields(an_account, NEWS)

    answer = await send(an_account, template_id=template_id)

    template = await an_account.call("GET", f"/v1/templates/{template_id}")
    (command,) = owners.asked_for(PushPasses)
    assert answer.status == 202
    assert answer.headers["location"] == f"/v1/push-jobs/{command.command_id}"
    assert (answer.json["revision"], answer.json["job_id"]) == (2, str(command.command_id))
    assert template.json["revision"] == 2
    [field] = template.json["pass"]["storeCard"]["backFields"]
    assert field == {**NEWS, "value": "Hello"}
    assert (command.template_revision, command.forget) == (2, [PATH])


async def test_text_that_users_may_edit_stays_editable(an_account: AnAccount, owners: Owners):
    field = {**NEWS, "value": {"value": "x", "editable": True, "label": "News"}}
    template_id = await with_fields(an_account, field)

    await send(an_account, template_id=template_id)

    template = await an_account.call("GET", f"/v1/templates/{template_id}")
    [saved] = template.json["pass"]["storeCard"]["backFields"]
    assert saved["value"] == {"value": "Hello", "editable": True, "label": "News"}


async def test_same_key_sends_one_message(an_account: AnAccount, owners: Owners):
    template_id = await with_fields(an_account, NEWS)
    handle = await a_pass(an_account, template_id)

    to_all = [await send(an_account, template_id=template_id, key="a") for _ in range(2)]
    to_one = [await send(an_account, "Hi", handle=handle, key="b") for _ in range(2)]

    assert [answer.status for answer in (*to_all, *to_one)] == [202] * 4
    assert to_all[0].json == to_all[1].json
    assert to_one[0].json == to_one[1].json
    assert len({command.command_id for command in owners.asked_for(PushPasses)}) == 1
    assert (await an_account.call("GET", f"/v1/templates/{template_id}")).json["revision"] == 2


async def test_repeat_of_an_old_message_does_not_bring_it_back(
    an_account: AnAccount, owners: Owners
):
    template_id = await with_fields(an_account, NEWS)
    await send(an_account, "first", template_id=template_id, key="first")
    await send(an_account, "second", template_id=template_id, key="second")

    again = await send(an_account, "first", template_id=template_id, key="first")

    template = await an_account.call("GET", f"/v1/templates/{template_id}")
    assert (again.status, again.json["revision"]) == (202, 2)
    assert template.json["pass"]["storeCard"]["backFields"][0]["value"] == "second"


async def test_push_that_failed_is_begun_by_the_repeat(an_account: AnAccount, owners: Owners):
    template_id = await with_fields(an_account, NEWS)
    owners.answer(PushPasses, lambda _: UnavailableError())
    first = await send(an_account, template_id=template_id, key="again")
    owners._outcomes.clear()  # pyright: ignore[reportPrivateUsage]
    owners.answer(PushPasses, lambda command: PassesPushed(count=1, job_id=command.command_id))

    second = await send(an_account, template_id=template_id, key="again")

    one, two = owners.asked_for(PushPasses)
    assert (first.status, second.status) == (503, 202)
    assert one == two
    assert second.json["job_id"] == str(two.command_id)


async def test_text_that_is_there_already_is_refused(an_account: AnAccount, owners: Owners):
    template_id = await with_fields(an_account, NEWS)
    plain = await a_pass(an_account, template_id)
    own = await a_pass(an_account, template_id, **{PATH: "Hello"})

    answers = [
        await send(an_account, "None yet", template_id=template_id),
        await send(an_account, "None yet", handle=plain),
        await send(an_account, "Hello", handle=own),
    ]

    assert [(a.status, a.code) for a in answers] == [(409, "message_unchanged")] * 3
    assert all("show nothing" in answer.json["detail"] for answer in answers)
    assert not owners.asked_for(ChangePass)
    assert not owners.asked_for(PushPasses)
    assert (await send(an_account, "None yet", handle=own)).status == 202


@pytest.mark.parametrize(
    ("back", "field", "expected"),
    [
        ([], None, 'no field \'news\': add to its backFields {"key": "news"'),
        ([NEWS], "other", 'no field \'other\': add to its backFields {"key": "other"'),
        ([{"key": "news", "value": "x"}], None, 'add "changeMessage": "%@" to it'),
        ([{**NEWS, "changeMessage": "News"}], "news", 'add "changeMessage": "%@" to it'),
        ([{**NEWS, "key": "a"}, {**NEWS, "key": "b"}], None, "name one of a, b"),
    ],
)
async def test_what_is_missing_in_the_template_is_said(
    an_account: AnAccount,
    owners: Owners,
    back: list[dict[str, Any]],
    field: str | None,
    expected: str,
):
    template_id = await with_fields(an_account, *back)
    handle = await a_pass(an_account, template_id)

    for to in ({"template_id": template_id}, {"handle": handle}):
        answer = await send(an_account, field=field, **to)
        assert (answer.status, answer.code) == (422, "news_field_missing")
        assert expected in answer.faults["/field"]
    assert not owners.asked_for(ChangePass)


async def test_field_is_the_one_named_or_the_only_one_on_the_back(
    an_account: AnAccount, owners: Owners
):
    offer = {"key": "offer", "label": "Offer", "value": "", "changeMessage": "Offer: %@"}
    points = {"key": "points", "value": 7, "changeMessage": "%@ points"}
    front = {"headerFields": [points]}
    alone = await make_template(
        an_account, {"storeCard": {**front, "backFields": [offer, {"key": "t", "value": "T"}]}}
    )
    both = await with_fields(an_account, NEWS, offer)

    answers = [
        await send(an_account, template_id=alone),
        await send(an_account, template_id=both),
        await send(an_account, "For you", template_id=both, field="offer"),
    ]

    assert [answer.json["field"] for answer in answers] == ["offer", "news", "offer"]


async def test_messages_that_change_together_are_warned_of(an_account: AnAccount, owners: Owners):
    echo = {"key": "echo", "value": f"Read: {{{PATH}}}", "changeMessage": "%@"}
    link = {**NEWS, "attributedValue": "<a href='https://beans.example'>Beans</a>"}
    template_id = await with_fields(an_account, link, echo)
    handle = await a_pass(an_account, template_id)

    for to in ({"template_id": template_id}, {"handle": handle}):
        answer = await send(an_account, f"For {next(iter(to))}", **to)
        [together, hidden] = answer.json["warnings"]
        assert "echo change too" in together
        assert "attributedValue" in hidden


async def test_unfit_text_is_pointed_at(an_account: AnAccount, owners: Owners):
    handle = await a_pass(an_account, await with_fields(an_account, NEWS))
    fault = {"pointer": PATH, "detail": "a number is needed"}
    owners.answer(ChangePass, lambda _: InvalidError("These cannot be set.", errors=[fault]))

    answer = await send(an_account, handle=handle)

    assert (answer.status, answer.faults) == (422, {"/text": "a number is needed"})


async def test_body_names_one_addressee_and_says_something(an_account: AnAccount, owners: Owners):
    template_id = await with_fields(an_account, NEWS)
    handle = await a_pass(an_account, template_id)

    for body, pointer in (
        ({"text": "x"}, ""),
        ({"text": "x", "handle": handle, "template_id": template_id}, "/template_id"),
        ({"text": "", "handle": handle}, "/text"),
        ({"text": "  ", "handle": handle}, "/text"),
        ({"text": "x" * 501, "handle": handle}, "/text"),
        ({"text": "x", "handle": handle, "field": ""}, "/field"),
        ({"text": "x", "handle": handle, "other": 1}, "/other"),
    ):
        answer = await an_account.call("POST", "/v1/messages", body)
        assert (answer.status, list(answer.faults)) == (422, [pointer])


async def test_message_reaches_nobody_of_others(
    an_account: AnAccount, another_account: AnAccount, owners: Owners
):
    template_id = await with_fields(another_account, NEWS)
    handle = await a_pass(another_account, template_id)

    assert (await send(an_account, template_id=template_id)).status == 404
    assert (await send(an_account, handle=handle)).status == 404
    assert not owners.asked_for(ChangePass)


@pytest_asyncio.fixture
async def at_google(gateway: Gateway, an_account: AnAccount, owners: Owners) -> str:
    """A template whose passes are at Google: 40 in two classes, of which 30 somebody has."""
    template_id = await with_fields(an_account, NEWS)
    issuers = gateway.context.google_issuers
    await issuers.develop(an_account.account_id)
    await issuers.of_template(an_account.account_id, UUID(template_id))
    many = GoogleOutlook(objects=40, holders=30, silent=7, classes=2, waiting=18, spacing=0.05)
    one = many.model_copy(update={"objects": 1, "holders": 1, "silent": 0, "classes": 1})
    owners.answer(ReadGoogleOutlook, lambda query: one if query.handle else many)
    owners.answer(TellGoogle, lambda _: GoogleTold(classes=2))
    return template_id


async def test_a_text_to_all_is_one_message_of_each_class_at_google(
    an_account: AnAccount, owners: Owners, at_google: str
):
    answers = [await send(an_account, "Closed", key="once", template_id=at_google) for _ in "12"]

    [told, again] = owners.asked_for(TellGoogle)
    assert answers[0].json["google"] == {"calls": 42, "seconds": 3, "silent": 7}
    assert answers[1].json == answers[0].json
    assert (told.field, told.text, told.said) == ("news", "Closed", "%@")
    assert told.command_id == again.command_id
    asked = [type(row) for _, row in owners.asked]
    assert asked.index(TellGoogle) < asked.index(PushPasses)


async def test_a_text_with_magic_words_is_one_message_of_each_pass(
    an_account: AnAccount, owners: Owners, at_google: str
):
    answer = await send(an_account, "Hello {member_name}", template_id=at_google)

    assert answer.json["google"]["calls"] == 40 + 30
    assert owners.asked_for(TellGoogle) == []


async def test_a_message_to_one_pass_takes_two_calls_at_google(
    an_account: AnAccount, owners: Owners, at_google: str
):
    handle = await a_pass(an_account, at_google)

    answer = await send(an_account, handle=handle)

    assert answer.json["google"] == {"calls": 2, "seconds": 1, "silent": 0}
    assert owners.asked_for(TellGoogle) == []


async def test_what_a_message_would_take_is_said_and_nothing_is_done(
    an_account: AnAccount, owners: Owners, at_google: str
):
    handle = await a_pass(an_account, at_google)
    tried = "/v1/messages?dry_run=true"

    to_all = await an_account.call("POST", tried, {"text": "Hi", "template_id": at_google})
    to_one = await an_account.call("POST", tried, {"text": "Hi", "handle": handle})
    known = await an_account.call("POST", tried, {"text": "None yet", "handle": handle})

    assert (to_all.status, to_one.status, known.status) == (200, 200, 409)
    assert to_all.json["google"] == {"calls": 42, "seconds": 3, "silent": 7}
    assert to_one.json["google"] == {"calls": 2, "seconds": 1, "silent": 0}
    assert (to_all.json["revision"], to_all.json["job_id"], to_one.json["version"]) == (None,) * 3
    for command in (ChangePass, PushPasses, TellGoogle):
        assert owners.asked_for(command) == []


async def test_a_template_of_which_nothing_is_at_google_costs_nothing_there(
    an_account: AnAccount, owners: Owners
):
    answer = await send(an_account, template_id=await with_fields(an_account, NEWS))

    assert (answer.status, answer.json["google"]) == (202, None)
    assert owners.asked_for(TellGoogle) == owners.asked_for(ReadGoogleOutlook) == []
