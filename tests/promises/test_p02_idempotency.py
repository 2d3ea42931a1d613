"""Promise 2: a request that is repeated with its Idempotency-Key has one effect and one answer."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.demo import TEMPLATE
from services.gateway.domain import CLAIM_LIFE
from services.gateway.repository.claims import ClaimRepository
from shared.database import Database
from shared.messaging.inbox import forget_old
from tests.promises.conftest import Figure
from tests.system import System

POINTS: Final = "structure_headerFields_points_value"
ADD_ONE: Final = {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 1}
AT_ONCE: Final = 50
MOST: Final = 100_000
"""Rows that are forgotten at once: all."""
EXAMPLES, STEPS = 20, 40
SCAN_TEXTS: Final = frozenset(
    {
        "scan_text",
        "scan_color",
        "description",
        "information_url",
        "information_label",
        "display_url",
    }
)
"""They may tell of a member; a pass that has been deleted has none."""
REPLAYED: Final = "Idempotent-Replayed"

TEMPLATE_BODY: Final = TEMPLATE | {"triggers": {"onScan": [ADD_ONE]}}


@dataclass(frozen=True)
class Answer:
    """What the gateway answered."""

    status: int
    body: Any = field(repr=False)
    is_replayed: bool


@dataclass(frozen=True)
class Sent:
    """A request that was sent, and what was answered first."""

    method: str
    path: str
    body: dict[str, Any] | None
    key: str
    answer: Answer

    @property
    def has_failed(self) -> bool:
        return self.answer.status >= 400


def settled(sent: Sent, body: Any) -> Any:
    """What of an answer never changes: a repeat shows members and texts as they are by then."""
    if body and sent.path.startswith("/v1/members") and not sent.path.endswith("/points"):
        return {name: body.get(name) for name in ("member_id", "created_at", "code")}
    if body and "scan_text" in body:
        return {name: value for name, value in body.items() if name not in SCAN_TEXTS}
    return body


class Client:
    """Sends one request after the other; hypothesis' machines do not wait for coroutines."""

    def __init__(self, system: System) -> None:
        address = urlsplit(system.base_url)
        self._headers = {"X-API-Key": system.api_key}
        self._http = HTTPConnection(address.hostname or "", address.port, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        headers = dict(self._headers)
        if key is not None:
            headers["Idempotency-Key"] = key
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = orjson.dumps(body)
        self._http.request(method, path, content, headers)
        response = self._http.getresponse()
        raw = response.read()
        return Answer(
            response.status,
            orjson.loads(raw) if raw else None,
            response.headers[REPLAYED] == "true",
        )

    def close(self) -> None:
        self._http.close()


class Account:
    """The model: what there has to be, if each request has one effect."""

    def __init__(self) -> None:
        self.points: dict[str, int] = {}
        self.voided: set[str] = set()
        self.deleted: set[str] = set()
        self.members: dict[str, dict[str, Any]] = {}
        self.entries: dict[str, int] = {}
        """Lines of each member's ledger."""
        self.templates = 0


class Repeats(RuleBasedStateMachine):
    """Requests of an account, in any order, and repeats of those that were sent before."""

    requests: Bundle[Sent] = Bundle("requests")

    client: Client

    def __init__(self) -> None:
        super().__init__()
        self.run = secrets.token_hex(4)
        self.model = Account()
        self.template = self.send_new("POST", "/v1/templates", self._template_body()).answer.body[
            "template_id"
        ]
        self.model.templates = 1
        self.repeats = 0

    def send_new(self, method: str, path: str, body: dict[str, Any] | None = None) -> Sent:
        key = secrets.token_hex(12)
        answer = self.client.ask(method, path, body, key)
        assert not answer.is_replayed
        return Sent(method, path, body, key, answer)

    def accepted(self, method: str, path: str, body: dict[str, Any] | None = None) -> Sent:
        sent = self.send_new(method, path, body)
        assert sent.answer.status in {200, 201, 204}, (sent, sent.answer.body)
        return sent

    @rule(target=requests, points=st.integers(0, 50))
    def issue(self, points: int) -> Sent:
        sent = self.accepted(
            "POST", "/v1/passes", {"template_id": self.template, "values": {POINTS: points}}
        )
        self.model.points[sent.answer.body["handle"]] = points
        return sent

    @rule(target=requests, points=st.lists(st.integers(0, 50), min_size=1, max_size=4))
    def issue_many(self, points: list[int]) -> Sent:
        rows = [{"values": {POINTS: number}} for number in points]
        sent = self.accepted("POST", "/v1/passes", {"template_id": self.template, "passes": rows})
        handles = [row["handle"] for row in sent.answer.body["passes"]]
        self.model.points |= dict(zip(handles, points, strict=True))
        return sent

    @precondition(lambda self: self.model.points)
    @rule(target=requests, data=st.data())
    def scan(self, data: st.DataObject) -> Sent:
        handle = self.a_pass(data)
        sent = self.send_new("POST", f"/v1/passes/{handle}/scan")
        if handle in self.model.deleted:
            assert sent.answer.status == 410
        elif handle not in self.model.voided:
            self.model.points[handle] += 1
        return sent

    @precondition(lambda self: self.model.points)
    @rule(target=requests, data=st.data(), points=st.integers(0, 50))
    def patch(self, data: st.DataObject, points: int) -> Sent:
        handle = self.a_pass(data)
        sent = self.send_new("PATCH", f"/v1/passes/{handle}", {"values": {POINTS: points}})
        if handle in self.model.deleted:
            assert sent.answer.status == 410
        else:
            self.model.points[handle] = points
        return sent

    @precondition(lambda self: self.model.points)
    @rule(target=requests, data=st.data(), action=st.sampled_from(["void", "unvoid"]))
    def void(self, data: st.DataObject, action: str) -> Sent:
        handle = self.a_pass(data)
        sent = self.send_new("POST", f"/v1/passes/{handle}/{action}")
        if handle not in self.model.deleted:
            self.model.voided -= {handle}
            self.model.voided |= {handle} if action == "void" else set()
        return sent

    @precondition(lambda self: self.model.points)
    @rule(target=requests, data=st.data())
    def delete(self, data: st.DataObject) -> Sent:
        handle = self.a_pass(data)
        sent = self.send_new("DELETE", f"/v1/passes/{handle}")
        self.model.deleted |= {handle}
        return sent

    @rule(target=requests, name=st.sampled_from("abc"), points=st.integers(0, 50))
    def create_member(self, name: str, points: int) -> Sent:
        member = f"{self.run}-{name}"
        sent = self.send_new("POST", "/v1/members", {"member_id": member, "points": points})
        if member in self.model.members:
            assert sent.answer.status == 409
        else:
            self.set_member(member, points)
        return sent

    @rule(target=requests, name=st.sampled_from("abc"), tier=st.sampled_from(["Gold", "Tin"]))
    def put_member(self, name: str, tier: str) -> Sent:
        member = f"{self.run}-{name}"
        sent = self.accepted("PUT", f"/v1/members/{member}", {"tier": tier})
        kept = self.model.members.get(member, {"points": 0})["points"]
        self.set_member(member, kept, tier)
        return sent

    @rule(target=requests, name=st.sampled_from("abc"), delta=st.integers(1, 9))
    def add_points(self, name: str, delta: int) -> Sent:
        member = f"{self.run}-{name}"
        sent = self.send_new("POST", f"/v1/members/{member}/points", {"delta": delta})
        if member in self.model.members:
            self.model.members[member]["points"] += delta
            self.model.entries[member] += 1
        else:
            assert sent.answer.status == 404
        return sent

    @rule(target=requests)
    def create_template(self) -> Sent:
        sent = self.accepted("POST", "/v1/templates", self._template_body())
        self.model.templates += 1
        return sent

    @rule(several=st.lists(requests, min_size=1, max_size=10))
    def repeat(self, several: list[Sent]) -> None:
        """The same requests again, whatever has happened since."""
        for sent in several:
            answer = self.client.ask(sent.method, sent.path, sent.body, sent.key)
            first, again = settled(sent, sent.answer.body), settled(sent, answer.body)
            assert (answer.status, again) == (sent.answer.status, first), sent
            assert answer.is_replayed or sent.has_failed, sent
            self.repeats += 1

    @rule(sent=requests, number=st.integers(100, 200))
    def repeat_with_another_body(self, sent: Sent, number: int) -> None:
        body = changed(sent.body, number)
        if body is not None:
            answer = self.client.ask(sent.method, sent.path, body, sent.key)
            assert (answer.status, answer.body["code"]) == (422, "idempotency_key_reused"), sent

    @rule()
    def compare(self) -> None:
        """What there is, compared with the model."""
        for handle, points in self.model.points.items():
            found = self.client.ask("GET", f"/v1/passes/{handle}")
            if handle in self.model.deleted:
                assert found.status == 410
            else:
                assert found.body["values"][POINTS] == points
                assert found.body["voided"] == (handle in self.model.voided)
        for member, facts in self.model.members.items():
            found = self.client.ask("GET", f"/v1/members/{member}").body
            assert {name: found[name] for name in facts} == facts
            ledger = self.client.ask("GET", f"/v1/members/{member}/points").body["data"]
            assert len(ledger) == self.model.entries[member]
        passes = self.client.ask("GET", f"/v1/passes?limit=100&template_id={self.template}").body
        alive = self.model.points.keys() - self.model.deleted
        assert {row["handle"] for row in passes["data"]} == alive
        saved = self.client.ask("GET", "/v1/templates?limit=100").body["data"]
        assert sum(row["name"] == self.run for row in saved) == self.model.templates

    def teardown(self) -> None:
        self.compare()

    def a_pass(self, data: st.DataObject) -> str:
        number = data.draw(st.integers(0, len(self.model.points) - 1))
        return list(self.model.points)[number]

    def set_member(self, member: str, points: int, tier: str | None = None) -> None:
        before = self.model.members.get(member, {"points": 0})["points"]
        self.model.members[member] = {"points": points, "tier": tier}
        self.model.entries.setdefault(member, 0)
        self.model.entries[member] += before != points

    def _template_body(self) -> dict[str, Any]:
        return TEMPLATE_BODY | {"name": self.run}


def changed(body: dict[str, Any] | None, number: int) -> dict[str, Any] | None:
    """Another body for the same address; None where there is no other."""
    if body is None:
        return None
    if "passes" in body:
        return body | {"passes": [*body["passes"], {"values": {POINTS: number}}]}
    others: dict[str, Any] = {"values": {POINTS: number}, "name": f"Another {number}"}
    others |= {"delta": number, "tier": str(number), "points": number}
    return next((body | {name: other} for name, other in others.items() if name in body), None)


def test_any_request_is_repeated_at_any_time_without_a_second_effect(
    system: System, figure: Figure
):
    sent: list[int] = []

    class Counted(Repeats):
        client = Client(system)

        def teardown(self) -> None:
            super().teardown()
            sent.append(self.repeats)

    with_settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a history is short enough as it is
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(Counted, settings=with_settings)
    Counted.client.close()
    assert sum(sent) > EXAMPLES
    figure(f"{sum(sent):,} repeats in {len(sent)} histories: no second effect")


@dataclass(frozen=True)
class Post:
    """A request whose effects can be counted."""

    path: str
    body: dict[str, Any]
    count: str
    """A statement that counts them, given what names the owner of the effect."""
    name: str
    key: str = field(default_factory=lambda: secrets.token_hex(12))


@pytest.fixture
async def posts(system: System) -> list[Post]:
    """One of each kind: with effects in the gateway, in member and in triggers."""
    name = secrets.token_hex(4)
    async with system.session() as session:
        template = await make(session, "/v1/templates", TEMPLATE_BODY | {"name": "Once"})
        template_id = template["template_id"]
        issued = await make(session, "/v1/passes", {"template_id": template_id})
        await make(session, "/v1/members", {"member_id": name})
    handle, of_template = issued["handle"], "WHERE template_id = $1::text::uuid"
    passes = f"SELECT count(*) FROM triggers.passes {of_template}"
    scans = "SELECT count(*) FROM triggers.events WHERE kind = 'scan' AND handle = $1"
    return [
        Post("/v1/templates", TEMPLATE_BODY | {"name": name},
             "SELECT count(*) FROM gateway.template_revisions WHERE name = $1", name),
        Post("/v1/keys", {"name": name, "scopes": ["scans:write"]},
             "SELECT count(*) FROM gateway.api_keys WHERE name = $1", name),
        Post("/v1/members", {"member_id": f"{name}-new"},
             "SELECT count(*) FROM member.members WHERE member_id = $1", f"{name}-new"),
        Post(f"/v1/members/{name}/points", {"delta": 5},
             "SELECT count(*) FROM member.points_entries WHERE member_id = $1", name),
        Post("/v1/passes", {"template_id": template_id}, passes, template_id),
        Post("/v1/passes", {"template_id": template_id, "passes": [{}, {}, {}]},
             passes, template_id),
        Post(f"/v1/passes/{handle}/scan", {}, scans, handle),
    ]  # fmt: skip


async def test_fifty_at_once_with_one_key_have_one_effect_and_one_answer(
    system: System, posts: list[Post], figure: Figure
):
    async with system.session() as session:
        for post in posts:
            before = await count(system, post)
            key = secrets.token_hex(12)
            answers = await asyncio.gather(
                *(ask(session, post.path, post.body, key) for _ in range(AT_ONCE))
            )
            wanted = before + len(post.body.get("passes", ["one"]))

            assert {answer.status for answer in answers} <= {200, 201}, post.path
            assert len({orjson.dumps(answer.body) for answer in answers}) == 1, post.path
            assert sum(not answer.is_replayed for answer in answers) == 1, post.path
            assert await count(system, post) == wanted, post.path
    figure(f"{len(posts)} requests {AT_ONCE} times at once: one effect and one answer of each")


async def test_of_two_bodies_at_once_with_one_key_one_is_done(system: System, posts: list[Post]):
    async with system.session() as session:
        for post in filter(lambda post: post.body, posts):
            before, key = await count(system, post), secrets.token_hex(12)
            other = changed(post.body, 77) or {**post.body, "member_id": "other"}
            bodies = [post.body, other] * (AT_ONCE // 2)
            answers = await asyncio.gather(*(ask(session, post.path, body, key) for body in bodies))
            done = [answer for answer in answers if answer.status < 400]
            refused = [answer.body["code"] for answer in answers if answer.status >= 400]

            assert refused == ["idempotency_key_reused"] * (AT_ONCE // 2), post.path
            assert len({orjson.dumps(answer.body) for answer in done}) == 1, post.path
            assert await count(system, post) <= before + len(other.get("passes", ["one"]))


async def test_a_key_is_kept_for_48_hours_and_then_new(
    system: System, posts: list[Post], figure: Figure
):
    async with system.session() as session:
        first = [await ask(session, post.path, post.body, post.key) for post in posts]
        before = [await count(system, post) for post in posts]
        await let_pass(system, CLAIM_LIFE - timedelta(minutes=1))
        late = [await ask(session, post.path, post.body, post.key) for post in posts]
        other = await ask(session, posts[0].path, changed(posts[0].body, 7) or {}, posts[0].key)
        unchanged = [await count(system, post) for post in posts]
        await let_pass(system, timedelta(minutes=2))
        new = [await ask(session, post.path, post.body, post.key) for post in posts]

    assert [answer.body for answer in late] == [answer.body for answer in first]
    assert all(answer.is_replayed for answer in late)
    assert other.status == 422
    assert unchanged == before
    assert not any(answer.is_replayed for answer in new)
    figure("kept for 47:59 hours, and new after 48:01")


async def make(session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await ask(session, path, body, None)
    assert answer.status == 201, answer.body
    return answer.body


async def ask(
    session: aiohttp.ClientSession, path: str, body: dict[str, Any], key: str | None
) -> Answer:
    headers = {} if key is None else {"Idempotency-Key": key}
    async with session.post(path, json=body, headers=headers) as response:
        replayed = response.headers.get(REPLAYED) == "true"
        return Answer(response.status, await response.json(), replayed)


async def count(system: System, post: Post) -> int:
    """How many effects of its kind there are."""
    connection = await asyncpg.connect(system.database_url)
    try:
        return await connection.fetchval(post.count, post.name)
    finally:
        await connection.close()


async def let_pass(system: System, time: timedelta) -> None:
    """Make what is remembered of requests older, and forget what is then too old."""
    async with schema_of(system, "gateway") as database, database.connection() as connection:
        await connection.execute(
            "UPDATE idempotency_keys SET expires_at = expires_at - $1::interval", time
        )
        await ClaimRepository(connection).forget_expired(MOST)
    for name in ("member", "triggers"):
        async with schema_of(system, name) as database:
            async with database.connection() as connection:
                await connection.execute(
                    "UPDATE inbox SET received_at = received_at - $1::interval", time
                )
            await forget_old(database)


@asynccontextmanager
async def schema_of(system: System, name: str) -> AsyncGenerator[Database]:
    database = Database(system.database_url, schema=name, size=1)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()
