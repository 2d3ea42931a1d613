"""No defect known of existing pass servers is one of ours: a test for each (wallet-protocols 2)."""

import hmac
import json
import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import jwt
import pytest

from services.generator.repository.bundles import BundleCache
from shared import clock
from shared.database import Database
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.signing import PassSigner
from shared.passes.apple.tokens import DERIVED_PURPOSE, PassTokens
from shared.sealing import MasterKeys
from tests.e2e.googling import Shop, a_google_shop, saved
from tests.e2e.phones import Held, a_phone, ask_list, hold, link, set_points, until_named
from tests.e2e.test_journeys import POINTS, a_pass, a_template, get, post
from tests.google.callbacks import CallbackKeys, message_of
from tests.google.server import FakeGoogle
from tests.system import System, poll
from tests.wallet import loglines
from tests.wallet.files import InvalidPassError, open_pass, verify_signature
from tests.wallet.fleet import Fleet, points_of

UNAUTHORIZED = HTTPStatus.UNAUTHORIZED


@pytest.fixture
async def google_shop(system: System, google: FakeGoogle) -> AsyncIterator[Shop]:
    async with a_google_shop(system, google) as shop:
        yield shop


@pytest.fixture
async def held(system: System, fleet: Fleet) -> Held:
    """A fresh pass on a phone that does only what it is told."""
    async with system.session() as session:
        return await hold(system, session, a_phone(fleet), await a_template(session))


async def test_d01_the_list_names_every_changed_pass(system: System, fleet: Fleet):
    phone = a_phone(fleet)
    async with system.session() as session:
        template = await a_template(session)
        mine = [await hold(system, session, phone, template) for _ in range(4)]
        topic = mine[0].topic
        await set_points(session, mine[0].handle, 1)
        await until_named(phone, topic, {mine[0].serial})
        tag = phone.types[topic].tag
        for number, one in enumerate(mine[1:]):
            await set_points(session, one.handle, 10 + number)
        await until_named(phone, topic, {one.serial for one in mine[1:]})

        since = json.loads((await ask_list(phone, topic, tag)).body)
        everything = json.loads((await ask_list(phone, topic)).body)

    assert set(since["serialNumbers"]) == {one.serial for one in mine[1:]}
    assert set(everything["serialNumbers"]) == {one.serial for one in mine}


async def test_d02_an_unknown_device_has_no_news(held: Held):
    stranger = a_stranger(held)

    answer = await ask_list(stranger, held.topic)

    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("tag", ["yesterday", "", "-1", "1e9", "9" * 40, "%00", "2026-01-01"])
async def test_d03_a_tag_that_cannot_be_read_counts_as_none(held: Held, tag: str):
    for parameter in ("passesUpdatedSince", "previousLastUpdated"):
        answer = await ask_list(held.device, held.topic, tag, parameter)

        assert answer.status == 200
        assert json.loads(answer.body)["serialNumbers"] == [held.serial]


async def test_d04_registering_again_keeps_the_new_push_token(system: System, fleet: Fleet):
    (phone,) = fleet.add()
    async with system.session() as session:
        held = await hold(system, session, phone, await a_template(session))
        old, phone.push_token = phone.push_token, "ab" * 32
        again = await phone.register(held.card)
        await set_points(session, held.handle, 4)
        await fleet.until_newest({held.serial: 4})

    assert again == 200
    assert fleet.pushes[phone.push_token, held.topic] == 1
    assert not fleet.pushes[old, held.topic]


async def test_d05_tokens_are_compared_in_constant_time(
    held: Held, monkeypatch: pytest.MonkeyPatch
):
    right = held.card.token
    other = "0" if right[0] != "0" else "1"
    for wrong in (right[:-1], right + "0", other + right[1:], other * len(right)):
        assert (await held.ask("fetch", wrong)).status == UNAUTHORIZED

    compared: list[bool] = []
    compare = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append(compare(one, other))
        return compared[-1]

    monkeypatch.setattr(hmac, "compare_digest", counted)
    tokens = PassTokens([bytes([n]) * 32 for n in range(3)])
    newest = tokens.issue(tokens.newest_id, "pass.a", "1")

    assert tokens.verify("pass.a", "1", newest)
    assert not tokens.verify("pass.a", "1", "no")
    assert compared == [True, *[False] * 5]  # every secret is tried, also after the right one


async def test_d06_which_serials_exist_cannot_be_found_out(held: Held):
    calls = (("POST", held.registration), ("DELETE", held.registration), ("GET", held.address))
    http = held.device.calls.http
    for method, address in calls:
        answers: list[Any] = []
        for serial in (held.serial, "no-such-serial"):
            named = address.replace(held.serial, serial)
            headers = {"Authorization": f"ApplePass {'0' * 64}"}
            body = {"pushToken": "ab" * 32} if method == "POST" else None
            async with http.request(method, named, headers=headers, json=body) as response:
                shown = {k: v for k, v in response.headers.items() if k not in CHANGING}
                answers.append((response.status, shown, await response.read()))

        assert answers[0] == answers[1]
        assert answers[0][0] == UNAUTHORIZED


CHANGING = ("Date", "X-Request-ID")


async def test_d07_last_modified_is_a_date_of_http_and_stays(held: Held):
    first = await held.ask("fetch")
    second = await held.ask("fetch")

    said = first.headers["Last-Modified"]
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", said)
    assert abs((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()) < 60  # noqa: TID251
    assert second.headers["Last-Modified"] == said


async def test_d08_if_modified_since_is_read_as_a_date(held: Held):
    said = (await held.ask("fetch")).headers["Last-Modified"]

    assert (await held.ask("fetch", If_Modified_Since=said)).status == 304
    assert (await held.ask("fetch", If_Modified_Since="1763600000.0")).status == 200
    assert (await held.ask("fetch", If_Modified_Since="a while ago")).status == 200


async def test_d09_if_modified_since_is_heeded(held: Held):
    first = await held.ask("fetch")
    since = {"If_Modified_Since": first.headers["Last-Modified"]}
    unchanged = await held.ask("fetch", **since)
    earlier = await held.ask("fetch", If_Modified_Since="Sat, 01 Jan 2022 00:00:00 GMT")

    assert (unchanged.status, unchanged.body) == (304, b"")
    assert (earlier.status, earlier.body) == (200, first.body)


async def test_d10_register_says_created_and_the_list_says_nothing_new(
    system: System, fleet: Fleet, held: Held
):
    again = await held.device.register(held.card)
    other = a_phone(fleet)
    await other.install(link(system, held.handle))
    tag = json.loads((await ask_list(held.device, held.topic)).body)["lastUpdated"]
    nothing = await ask_list(held.device, held.topic, tag)

    statuses = [e.status for e in other.calls.trace if e.call == "register"]
    assert (again, statuses) == (200, [201])
    assert (nothing.status, nothing.body) == (204, b"")


async def test_d11_no_credential_of_a_phone_is_logged(system: System, fleet: Fleet):
    (phone,) = fleet.add()
    async with system.session() as session:
        held = await hold(system, session, phone, await a_template(session))
        await set_points(session, held.handle, 11)
        await fleet.until_newest({held.serial: 11})
        await phone.log([f"Register task (for device {phone.device_id}) failed"], held.card.service)
        await held.ask("fetch", "0" * 64)
        await phone.remove(held.card)

    logs = "".join(process.log.read_text() for process in system.processes.values())
    assert "/wallet/v1/devices/{" in logs  # the requests are there, as patterns
    for secret in (held.card.token, phone.push_token, phone.device_id, held.serial):
        assert secret not in logs


async def test_d12_any_other_authorization_header_is_refused_and_breaks_nothing(held: Held):
    token = held.card.token
    http = held.device.calls.http
    for header in (
        None, "", "ApplePass", "ApplePass ", token, f"Bearer {token}", f"applepass {token}",
        f"ApplePass  {token}", f"ApplePass {token} x", f"ApplePass\t{token}", f"ApplePass{token}",
        "ApplePass é", f"ApplePass {'x' * 4000}",
    ):  # fmt: skip
        headers = {} if header is None else {"Authorization": header}
        async with http.get(held.address, headers=headers) as response:
            assert response.status == UNAUTHORIZED, header


async def test_d13_the_list_is_asked_with_get(held: Held):
    address = held.registration.removesuffix(f"/{held.serial}")
    http = held.device.calls.http
    async with http.get(address) as listed, http.post(address, json={}) as posted:
        assert (listed.status, posted.status) == (200, 405)


async def test_d14_pushes_share_one_connection(system: System, fleet: Fleet):
    apple = system.apple
    assert apple is not None
    phones = fleet.add(20)
    async with system.session() as session:
        template = await a_template(session)
        held = [await hold(system, session, phone, template) for phone in phones]
        await set_points(session, held[0].handle, 1)
        await fleet.until_newest({held[0].serial: 1})
        before = apple.connected
        for one in held:
            await set_points(session, one.handle, 2)
        await fleet.until_newest({one.serial: 2 for one in held})

    assert apple.connected == before
    assert sum(fleet.pushes.values()) >= 21


async def test_d15_a_manifest_of_several_lines_verifies(system: System, held: Held):
    now = clock.now()
    authority = DevelopmentAuthority.create(now)
    identity = authority.issue("pass.lines", "TEAM123456", "Lines", now)
    signer = PassSigner(identity.certificate, identity.private_key, identity.intermediates)
    root = system.root.with_name("lines.pem")
    root.write_bytes(authority.root_pem)
    entries = dict(held.card.file.entries)
    entries["manifest.json"] = json.dumps(json.loads(entries["manifest.json"]), indent=2).encode()
    entries["signature"] = signer.sign(entries["manifest.json"], now)

    verify_signature(entries, root)
    verify_signature(held.card.file.entries, system.root)
    with pytest.raises(InvalidPassError):
        verify_signature(entries | {"manifest.json": b"{}\n"}, root)


async def test_d16_the_signature_is_detached(held: Held):
    entries = held.card.file.entries

    assert entries["manifest.json"] not in entries["signature"]
    assert b"pass.json" not in entries["signature"]


async def test_d17_a_key_is_parsed_once_for_all_templates_and_passes(distributed: System):
    environment = distributed.extra["environment"]
    async with distributed.session() as session:
        templates = [UUID(await a_template(session)) for _ in range(2)]
        for template in templates:
            await a_pass(session, str(template))
    keys = MasterKeys.parse(environment["PASSWRIGHT_MASTER_KEYS"])
    database = Database(distributed.database_url, schema="generator")
    await database.start()
    cache = BundleCache(keys, "http://localhost", PassTokens(keys.derive(DERIVED_PURPOSE)))
    async with database.connection() as connection:
        first = await cache.newest(connection, templates)
        again = await cache.newest(connection, templates)
    await database.stop()

    signers = [*first.values(), *again.values()]
    assert len(first) == 2
    assert len({id(bundle.identity.signer) for bundle in signers}) == 1


async def test_d18_passes_made_at_once_share_nothing(system: System, fleet: Fleet):
    async with system.session() as session:
        template = await a_template(session)
        rows = [{"values": {POINTS: n, "number": f"code {n}"}} for n in range(40)]
        body = {"template_id": template, "passes": rows}
        issued = (await post(session, "/v1/passes", body, expect=201))["passes"]
    phone = a_phone(fleet)
    phone.root = None
    cards = [await phone.install(link(system, one["handle"])) for one in issued]

    contents = [card.content for card in cards]
    assert [points_of(card) for card in cards] == list(range(40))
    assert [c["barcodes"][0]["message"] for c in contents] == [f"code {n}" for n in range(40)]
    assert len({c["serialNumber"] for c in contents}) == len({card.token for card in cards}) == 40


async def test_d19_a_callback_may_hold_any_letter(google_shop: Shop):
    """Lengths of what Google signs are counted in bytes."""
    handle = await google_shop.issue()
    object_, _ = await google_shop.want(handle)

    status = await called_back(google_shop, a_callback(google_shop, object_.id, note="Grüße, 東京"))

    assert status == HTTPStatus.OK
    await poll(lambda: saved(google_shop, handle), "the save is known")


async def test_d20_a_callback_that_google_did_not_sign_for_this_issuer_is_refused(
    google_shop: Shop,
):
    handle = await google_shop.issue()
    object_, _ = await google_shop.want(handle)
    good, other = (a_callback(google_shop, object_.id, nonce=nonce) for nonce in "ab")
    intermediate, stranger = good["intermediateSigningKey"], CallbackKeys()
    another_root = stranger.sign(google_shop.issuer_id, {}, clock.now())["intermediateSigningKey"]
    last_week = clock.now() - timedelta(days=8)
    forged = {
        "another message": {**good, "signedMessage": other["signedMessage"]},
        "another signature": {**good, "signature": other["signature"]},
        "another root": {**good, "intermediateSigningKey": another_root},
        "another key": {
            **good,
            "intermediateSigningKey": {**intermediate, "signedKey": another_root["signedKey"]},
        },
        "another issuer": a_callback(google_shop, object_.id, issuer_id="1"),
        "another issuer's object": a_callback(google_shop, "1.object"),
        "an expired message": a_callback(google_shop, object_.id, expTimeMillis=1),
        "an expired key": a_callback(google_shop, object_.id, at=last_week),
    }

    statuses = {name: await called_back(google_shop, body) for name, body in forged.items()}

    assert statuses == dict.fromkeys(forged, UNAUTHORIZED)
    assert not (await google_shop.state(handle))["saved"]


async def test_d21_a_save_link_holds_ids_and_times_and_no_object(google_shop: Shop):
    handle = await google_shop.issue()
    object_, partners = await google_shop.want(handle)
    before = int(clock.now().timestamp())

    address = f"/p/{handle}/google"
    async with google_shop.http.post(address, allow_redirects=False) as response:
        clicked = response.headers["Location"]

    ids = {"id": object_.id, "classId": object_.document["classId"]}
    for link_, has_end in ((partners, False), (clicked, True)):
        claims = jwt.decode(link_.rpartition("/")[2], options={"verify_signature": False})
        assert claims["payload"] == {"loyaltyObjects": [ids]}
        assert abs(claims["iat"] - before) < 60
        assert ("exp" in claims) == has_end
        assert handle not in link_
        assert len(link_) < 1_800
    assert claims["exp"] == claims["iat"] + 3600


def a_callback(
    shop: Shop, object_id: str, *, issuer_id: str = "", at: datetime | None = None, **facts: Any
) -> dict[str, Any]:
    """Sign that an object was saved, as Google does for this issuer; `facts` are laid over it."""
    now = shop.google.clock.now()
    message = message_of(f"{shop.issuer_id}.class", object_id, "save", secrets.token_hex(8), now)
    return shop.google.keys.sign(issuer_id or shop.issuer_id, message | facts, at or now)


async def called_back(shop: Shop, envelope: dict[str, Any]) -> int:
    address = f"/google/callbacks/{shop.issuer_id}"
    body = json.dumps(envelope, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    async with shop.http.post(address, data=body, headers=headers) as response:
        return response.status


async def test_d22_every_link_in_an_answer_leads_somewhere(system: System):
    async with system.session() as session:
        issued = await post(
            session, "/v1/passes", {"template_id": await a_template(session)}, expect=201
        )
        shown = await get(session, f"/v1/passes/{issued['handle']}")
        async with session.get(issued["url"]) as response:
            page = await response.text()
        links = [issued["url"], shown["url"], *re.findall(r'(?:href|src)="([^"#]+)"', page)]
        for one in links:
            assert not re.search(r"null|None|undefined|=$", one), one
            async with session.get(one) as response:
                assert response.status == 200, one


async def test_d23_the_web_service_address_has_no_version(system: System, held: Held):
    assert held.card.service == f"{system.base_url}/wallet"
    async with held.device.calls.http.get(f"{held.card.service}/v1/v1/log") as response:
        assert response.status == 404


async def test_d24_a_deleted_pass_keeps_what_its_phones_said(system: System, held: Held):
    text = loglines.unchanged(held.card.name, held.card.service)
    await held.device.log([text], held.card.service)

    async with system.session() as session:

        async def told() -> bool:
            timeline = await get(session, f"/v1/passes/{held.handle}/timeline")
            return text in json.dumps(timeline)

        await poll(told, "the line on the timeline")
        async with session.delete(f"/v1/passes/{held.handle}") as response:
            assert response.status in (200, 204)

        async def dead() -> bool:
            return (await held.ask("fetch")).status == UNAUTHORIZED

        await poll(dead, "a pass that is dead to its phone")
        assert await told()


async def test_d25_the_bytes_come_from_where_they_were_asked_for(held: Held):
    answer = await held.ask("fetch")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/vnd.apple.pkpass"
    assert open_pass(answer.body).name == held.card.name


async def test_d26_the_token_of_one_pass_opens_no_other(system: System, fleet: Fleet, held: Held):
    async with system.session() as session:
        other = await hold(system, session, a_phone(fleet), await a_template(session))

    assert other.card.token != held.card.token
    assert (await held.ask("fetch", other.card.token)).status == UNAUTHORIZED
    assert (await held.ask("register", other.card.token)).status == UNAUTHORIZED
    assert (await held.ask("unregister", other.card.token)).status == UNAUTHORIZED


async def test_d27_unregister_answers_200(system: System, held: Held):
    assert (await held.ask("unregister")).status == 200
    assert (await held.ask("unregister")).status == 200
    async with system.session() as session, session.delete(f"/v1/passes/{held.handle}") as response:
        assert response.status in (200, 204)
    assert (await held.ask("unregister")).status == 200


async def test_d28_changes_right_after_each_other_are_all_listed_and_none_twice(
    system: System, fleet: Fleet, held: Held
):
    phone, topic = held.device, held.topic
    async with system.session() as session:
        for number in range(1, 9):
            await set_points(session, held.handle, number)
            await until_named(phone, topic, {held.serial})
            await phone.fetch(held.card)
            again = await ask_list(phone, topic, phone.types[topic].tag)

            assert held.points == number
            assert again.status == 204


async def test_d29_each_version_has_a_later_last_modified(system: System, held: Held):
    dates: list[datetime] = []
    async with system.session() as session:
        for number in range(1, 5):
            await set_points(session, held.handle, number)
            answer = await held.ask("fetch", If_Modified_Since=held.card.last_modified or "")
            await held.device.fetch(held.card)
            unchanged = await held.ask("fetch", If_Modified_Since=held.card.last_modified or "")
            dates.append(parsedate_to_datetime(answer.headers["Last-Modified"]))

            assert (answer.status, unchanged.status, held.points) == (200, 304, number)

    assert dates == sorted(set(dates))


async def test_d30_no_old_file_is_served_after_a_change(system: System, held: Held):
    async with system.session() as session:
        for number in range(1, 6):
            await set_points(session, held.handle, number)
            assert await held.device.fetch(held.card) == 200
            downloaded = await held.device.calls.ask("install", link(system, held.handle))

            assert held.points == number
            assert downloaded.body == held.card.file.data


def a_stranger(held: Held) -> Any:
    """Make a phone that holds the same card and never registered."""
    return type(held.device)(held.device.calls, cards=dict(held.device.cards))
