"""Apple's web service as a device meets it: every status, hostile input, and what is kept of it."""

from hashlib import sha256
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from shared.contracts.generator import Content, ReadContent
from shared.contracts.message import Done
from shared.contracts.notifier import (
    DeviceRegistered,
    ListUpdated,
    NoteDeviceLogs,
    NoteFetch,
    RegisterDevice,
    UnregisterDevice,
    UpdatedPasses,
)
from shared.contracts.triggers import FindPass, Pass, ReadPassSince
from shared.errors import (
    ApplicationError,
    GoneError,
    InternalError,
    NotFoundError,
    UnavailableError,
)
from tests.integration.gateway.conftest import AnAccount, Answer, Gateway
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import a_png, make_template, upload
from tests.integration.gateway.test_pages import a_pass, rendered
from tests.system import poll

DEVICE = "3c0b2fd0fd2ea11a5c1bd5c1d1b6a0c9"
PUSH_TOKEN = "0f" * 32
PASS_TYPE = "pass.com.example.coffee"


class Device:
    """One that holds a pass; what it sends can be spoilt."""

    def __init__(self, gateway: Gateway, owners: Owners, found: Pass) -> None:
        self.gateway = gateway
        self.owners = owners
        self.found = found
        tokens = gateway.context.tokens
        self.token = tokens.issue(tokens.newest_id, PASS_TYPE, found.serial_number)

    @property
    def registration(self) -> str:
        return f"/wallet/v1/devices/{DEVICE}/registrations/{PASS_TYPE}/{self.found.serial_number}"

    @property
    def file(self) -> str:
        return f"/wallet/v1/passes/{PASS_TYPE}/{self.found.serial_number}"

    async def register(self, body: object = None, **how: Any) -> Answer:
        body = {"pushToken": PUSH_TOKEN} if body is None else body
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.send("POST", how.pop("path", self.registration), data=data, **how)

    async def unregister(self, **how: Any) -> Answer:
        return await self.send("DELETE", self.registration, **how)

    async def updates(self, query: str = "") -> Answer:
        path = f"/wallet/v1/devices/{DEVICE}/registrations/{PASS_TYPE}{query}"
        return await self.gateway.call("GET", path)

    async def fetch(self, **how: Any) -> Answer:
        return await self.send("GET", self.file, **how)

    async def log(self, body: object) -> Answer:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.gateway.call("POST", "/wallet/v1/log", data=data)

    async def send(
        self, method: str, path: str, *, authorization: str | None = "", **how: Any
    ) -> Answer:
        headers = how.pop("headers", {})
        if authorization is not None:
            headers = {"Authorization": authorization or f"ApplePass {self.token}", **headers}
        return await self.gateway.call(method, path, headers=headers, **how)

    async def told(self, request: type[Any], count: int = 1) -> list[Any]:
        """What was told beside the answers, once it has arrived."""
        await poll(lambda: len(self.owners.asked_for(request)) >= count, request.name)
        return self.owners.asked_for(request)


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    owners = Owners(gateway.transport)
    owners.answer(RegisterDevice, lambda _: DeviceRegistered(created=True))
    owners.answer(UnregisterDevice, lambda _: Done())
    owners.answer(ListUpdated, lambda _: UpdatedPasses())
    return owners


@pytest_asyncio.fixture
async def device(gateway: Gateway, an_account: AnAccount, owners: Owners) -> Device:
    return Device(gateway, owners, a_pass(owners, an_account, await make_template(an_account)))


def refused(answer: Answer) -> bool:
    return (answer.status, answer.content, answer.headers["www-authenticate"]) == (
        401,
        b"",
        "ApplePass",
    )


async def test_registering_answers_201_the_first_time_and_200_then(device: Device):
    first = await device.register()
    device.owners.answer(RegisterDevice, lambda _: DeviceRegistered())
    again = await device.register({"pushToken": "AB" * 32, "more": 1})

    assert (first.status, first.content) == (201, b"")
    assert (again.status, again.content) == (200, b"")
    one, other = device.owners.asked_for(RegisterDevice)
    assert (one.handle, one.account_id, one.template_id, one.serial_number) == (
        device.found.handle,
        device.found.account_id,
        device.found.template_id,
        device.found.serial_number,
    )
    assert one.device == sha256(DEVICE.encode()).hexdigest()
    assert (one.pass_type_identifier, one.kind) == (PASS_TYPE, "apple")
    assert (one.push_token, other.push_token) == (PUSH_TOKEN, "AB" * 32)
    assert one.command_id != other.command_id


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "ApplePass",
        "ApplePass ",
        "{token}",
        "Bearer {token}",
        "applepass {token}",
        "ApplePass  {token}",
        "ApplePass\t{token}",
        "ApplePass {token} x",
        "ApplePass {wrong}",
        "ApplePass {upper}",
        "ApplePass {token}0",
        "ApplePass \u00e9",
    ],
)
async def test_only_scheme_and_one_space_and_the_token_are_let_in(
    device: Device, authorization: str | None
):
    if authorization is not None:
        authorization = authorization.format(
            token=device.token, wrong="0" * 64, upper=device.token.upper()
        )

    for answer in (
        await device.register(authorization=authorization),
        await device.unregister(authorization=authorization),
        await device.fetch(authorization=authorization),
    ):
        assert refused(answer)
    assert device.owners.asked == []


async def test_no_answer_tells_which_passes_there_are(device: Device, another_account: AnAccount):
    there = device.found
    missing = Device(device.gateway, device.owners, there.model_copy(update={"serial_number": "x"}))
    deleted = Device(
        device.gateway,
        device.owners,
        a_pass(device.owners, another_account, str(there.template_id), version=-1),
    )

    seen = [
        (answer.status, answer.content, sorted(answer.headers))
        for one in (device, missing, deleted)
        for answer in (
            await one.register(authorization="ApplePass " + "0" * 64),
            await one.fetch(authorization="ApplePass " + "0" * 64),
        )
    ]
    assert len(set(map(repr, seen))) == 1
    assert device.owners.asked == []
    for one in (missing, deleted):
        assert refused(await one.register())
        assert refused(await one.fetch())
        assert (await one.unregister()).status == 200


async def test_a_token_opens_no_other_pass(device: Device, another_account: AnAccount):
    other = a_pass(device.owners, another_account, await make_template(another_account))

    path = device.file.replace(device.found.serial_number, other.serial_number)
    assert refused(await device.send("GET", path))
    path = device.file.replace(PASS_TYPE, "pass.com.example.tea")
    assert refused(await device.send("GET", path))


async def test_two_authorizations_are_none(device: Device):
    headers = [("Authorization", f"ApplePass {device.token}")] * 2

    async with device.gateway.http.delete(device.registration, headers=headers) as response:
        assert (response.status, await response.read()) == (401, b"")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        {},
        {"pushToken": None},
        {"pushToken": 7},
        {"pushToken": ""},
        {"pushToken": "not hex"},
        {"pushToken": "0f0"},
        {"pushToken": "0f" * 201},
        {"pushToken": "0f\x00" * 9},
        b"\xff" * 9,
    ],
)
async def test_a_body_that_is_no_registration_is_400(device: Device, body: object):
    answer = await device.register(body)

    assert (answer.status, answer.content) == (400, b"")
    assert device.owners.asked == []


async def test_a_registration_of_more_than_4_kib_is_413(device: Device):
    answer = await device.register(b" " * 4097)

    assert (answer.status, answer.content) == (413, b"")
    assert refused(await device.register(b" " * 4097, authorization="ApplePass x"))


@pytest.mark.parametrize(
    ("scheme", "headers", "kind"),
    [
        ("AndroidPass", {}, "wallet_passes"),
        ("WalletUnionPass", {}, "wallet_union"),
        ("ApplePass", {"X-Pass-Client": "Passes"}, "pass2u"),
        ("ApplePass", {"X-Pass-Client": "Other"}, "apple"),
    ],
)
async def test_android_wallets_are_known_by_what_they_send(
    device: Device, scheme: str, headers: dict[str, str], kind: str
):
    push_token = PUSH_TOKEN if kind == "apple" else "fcm:APA91b-x_Y"

    answer = await device.register(
        {"pushToken": push_token}, authorization=f"{scheme} {device.token}", headers=headers
    )

    assert answer.status == 201
    [asked] = device.owners.asked_for(RegisterDevice)
    assert (asked.kind, asked.push_token) == (kind, push_token)
    if kind != "apple":
        for unfit in ("", "a b", "x" * 1025, "a\nb"):
            spoilt = await device.register(
                {"pushToken": unfit}, authorization=f"{scheme} {device.token}", headers=headers
            )
            assert spoilt.status == 400


async def test_unregistering_answers_200_whatever_there_was(device: Device):
    answer = await device.unregister()

    assert (answer.status, answer.content) == (200, b"")
    [asked] = device.owners.asked_for(UnregisterDevice)
    assert (asked.pass_type_identifier, asked.serial_number, asked.device) == (
        PASS_TYPE,
        device.found.serial_number,
        sha256(DEVICE.encode()).hexdigest(),
    )
    device.owners.answer(FindPass, lambda _: GoneError())
    assert (await device.unregister()).status == 200


async def test_a_list_names_passes_and_a_tag_or_is_204(device: Device):
    nothing = await device.updates("?passesUpdatedSince=7")
    device.owners.answer(
        ListUpdated, lambda _: UpdatedPasses(serial_numbers=["a", "b"], last_updated="12")
    )
    something = await device.updates()

    assert (nothing.status, nothing.content) == (204, b"")
    assert something.status == 200
    assert something.headers["content-type"] == "application/json"
    assert something.json == {"serialNumbers": ["a", "b"], "lastUpdated": "12"}
    first, second = device.owners.asked_for(ListUpdated)
    assert (first.since, second.since) == ("7", None)
    assert first.device == sha256(DEVICE.encode()).hexdigest()
    assert first.pass_type_identifier == PASS_TYPE


@pytest.mark.parametrize(
    ("query", "since"),
    [
        ("?previousLastUpdated=8", "8"),
        ("?passesUpdatedSince=9&previousLastUpdated=8", "9"),
        ("?passesUpdatedSince=&previousLastUpdated=8", "8"),
        ("?passesUpdatedSince=2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"),
        ("?passesUpdatedSince=1&passesUpdatedSince=2", "1"),
        ("?passesUpdatedSince=" + "9" * 65, None),
        ("?passesUpdatedSince=%00", None),
        ("?passesUpdatedSince=%ED%A0%80%FF", None),
        ("?passesUpdatedSince", None),
        ("?other=1", None),
    ],
)
async def test_a_tag_is_read_by_both_names_and_an_unfit_one_is_absent(
    device: Device, query: str, since: str | None
):
    assert (await device.updates(query)).status == 204

    assert [asked.since for asked in device.owners.asked_for(ListUpdated)] == [since]


async def test_the_pass_itself_is_sent_with_its_time(device: Device, an_account: AnAccount):
    png = a_png("blue")
    await upload(an_account, png)
    device.owners.answer(ReadContent, rendered({"icon.png": png}))

    answer = await device.fetch()
    public = await device.gateway.call("GET", f"/p/{device.found.handle}.pkpass")

    assert (answer.status, answer.content) == (200, public.content)
    assert answer.headers["content-type"] == "application/vnd.apple.pkpass"
    assert answer.headers["last-modified"] == "Sat, 21 Nov 2026 12:00:00 GMT"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["cache-control"] == "no-store"
    [fetched, downloaded] = await device.told(NoteFetch, 2)
    assert (fetched.status, fetched.source, fetched.content_number, fetched.pass_version) == (
        200,
        "device",
        4,
        3,
    )
    assert (fetched.handle, fetched.serial_number) == (
        device.found.handle,
        device.found.serial_number,
    )
    assert (downloaded.status, downloaded.source) == (200, "public")


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("Sat, 21 Nov 2026 12:00:00 GMT", 304),
        ("Sat, 21 Nov 2026 12:00:01 GMT", 304),
        ("Sat, 21 Nov 2026 11:59:59 GMT", 200),
        ("yesterday", 200),
        ("1795262400", 200),
        ("Sat, 21 Nov 99999 12:00:00 GMT", 200),
        ("", 200),
    ],
)
async def test_what_a_device_has_is_not_sent_again(device: Device, since: str, status: int):
    device.owners.answer(ReadContent, rendered({}))

    answer = await device.fetch(headers={"If-Modified-Since": since})

    assert answer.status == status
    assert (answer.content == b"") == (status == 304)
    assert answer.headers["last-modified"] == "Sat, 21 Nov 2026 12:00:00 GMT"
    [noted] = await device.told(NoteFetch)
    assert noted.status == status


NOON = {"If-Modified-Since": "Sat, 21 Nov 2026 12:00:00 GMT"}


def of_the_type(query: ReadContent) -> Content:
    """What the generator answers, with the pass type as it says it."""
    return rendered({})(query).model_copy(update={"pass_type_identifier": PASS_TYPE})


async def test_a_device_that_has_what_was_served_costs_one_question(device: Device):
    device.owners.answer(ReadContent, of_the_type)
    await device.fetch()

    again = await device.fetch(headers=NOON)
    head = await device.send("HEAD", device.file, headers=NOON)
    older = await device.fetch(headers={"If-Modified-Since": "Sat, 21 Nov 2026 11:59:59 GMT"})

    assert [again.status, head.status, older.status] == [304, 304, 200]
    assert again.headers["last-modified"] == "Sat, 21 Nov 2026 12:00:00 GMT"
    assert len(device.owners.asked_for(ReadPassSince)) == 2
    assert len(device.owners.asked_for(FindPass)) == len(device.owners.asked_for(ReadContent)) == 2
    noted = await device.told(NoteFetch, 3)
    assert {(n.handle, n.content_number, n.pass_version) for n in noted} == {
        (device.found.handle, 4, 3)
    }
    assert sorted(note.status for note in noted) == [200, 200, 304]


async def test_after_any_change_the_generator_is_asked_again(device: Device, an_account: AnAccount):
    device.owners.answer(ReadContent, of_the_type)
    await device.fetch()
    asked = [len(device.owners.asked_for(ReadContent))]

    async def change_pass() -> None:
        found = device.owners.passes[device.found.handle]
        device.owners.passes[found.handle] = found.model_copy(update={"version": found.version + 1})

    async def change_template() -> None:
        await device.gateway.query(
            "UPDATE templates SET revision = revision + 1 WHERE template_id = $1",
            device.found.template_id,
        )

    async def change_credentials() -> None:
        await device.gateway.query(
            "UPDATE accounts SET credential_epoch = credential_epoch + 1 WHERE account_id = $1",
            an_account.account_id,
        )

    async def renew_certificate() -> None:
        await device.gateway.query(
            """
            UPDATE identities i
            SET revision = i.revision + 1
            FROM templates t
            WHERE t.template_id = $1
                AND i.identity_id = t.identity_id
            """,
            device.found.template_id,
        )

    for change in (change_pass, change_template, change_credentials, renew_certificate):
        await change()
        assert (await device.fetch(headers=NOON)).status == 304
        assert (await device.fetch(headers=NOON)).status == 304
        asked.append(len(device.owners.asked_for(ReadContent)))

    assert asked == [1, 2, 3, 4, 5]


async def test_a_file_that_was_downloaded_before_costs_one_question(
    device: Device, an_account: AnAccount
):
    png = a_png("blue")
    await upload(an_account, png)
    device.owners.answer(ReadContent, rendered({"icon.png": png}))
    path = f"/p/{device.found.handle}.pkpass"

    first, again = [await device.gateway.call("GET", path) for _ in range(2)]
    known = await device.gateway.call("GET", path, headers=NOON)
    tagged = await device.gateway.call(
        "GET", path, headers={"If-None-Match": first.headers["etag"]}
    )
    asked = len(device.owners.asked_for(ReadContent))
    found = device.owners.passes[device.found.handle]
    device.owners.passes[found.handle] = found.model_copy(update={"version": found.version + 1})
    changed = await device.gateway.call("GET", path)

    assert [a.status for a in (first, again, known, tagged, changed)] == [200, 200, 304, 304, 200]
    assert first.content == again.content
    assert (asked, len(device.owners.asked_for(ReadContent))) == (1, 2)


async def test_a_pass_deleted_after_it_was_served_is_refused(device: Device):
    device.owners.answer(ReadContent, of_the_type)
    await device.fetch()
    found = device.owners.passes[device.found.handle]
    device.owners.passes[found.handle] = found.model_copy(update={"version": -1})

    assert refused(await device.fetch(headers=NOON))


async def test_whoever_asks_for_a_head_only_has_fetched_nothing(device: Device):
    device.owners.answer(ReadContent, rendered({}))

    head = await device.send("HEAD", device.file)
    public = await device.gateway.call("HEAD", f"/p/{device.found.handle}.pkpass")
    await device.fetch()

    assert (head.status, head.content, public.status) == (200, b"", 200)
    assert [note.source for note in await device.told(NoteFetch)] == ["device"]


async def test_a_pass_of_another_type_is_not_given_to_a_device(device: Device):
    def answer(query: ReadContent) -> Content:
        return rendered({})(query).model_copy(
            update={"pass_type_identifier": "pass.com.example.real"}
        )

    device.owners.answer(ReadContent, answer)

    assert refused(await device.fetch())


@pytest.mark.parametrize("error", [UnavailableError(), InternalError()])
async def test_with_an_owner_away_nobody_is_refused(device: Device, error: ApplicationError):
    for request in (FindPass, ReadContent, RegisterDevice, UnregisterDevice, ListUpdated):
        device.owners.answer(request, lambda _: error)

    fetched, listed = await device.fetch(), await device.updates()
    registered, unregistered = await device.register(), await device.unregister()
    device.owners.answer(FindPass, device.owners.find_pass)
    later = [await device.fetch(), await device.register()]

    for answer in (fetched, listed, registered, unregistered, *later):
        assert (answer.status, answer.content) == (error.status, b"")
        assert (answer.headers.get("retry-after") == "1") == (error.status == 503)


@pytest.mark.parametrize("error", [NotFoundError(), GoneError()])
async def test_a_pass_that_goes_meanwhile_is_refused(device: Device, error: ApplicationError):
    for request in (ReadContent, RegisterDevice):
        device.owners.answer(request, lambda _: error)

    assert refused(await device.fetch())
    assert refused(await device.register())


async def test_logs_are_read_and_told(device: Device):
    line = f"Get pass task (pass type {PASS_TYPE}, serial number {device.found.serial_number}, x)"

    answer = await device.log({"logs": [f"{line} timed out", "", 7, f"device {DEVICE} <b>odd</b>"]})

    assert (answer.status, answer.content) == (200, b"")
    [told] = await device.told(NoteDeviceLogs)
    first, second = told.lines
    assert (first.kind, first.pass_type_identifier) == ("fetch_failed", PASS_TYPE)
    assert first.serial_number == device.found.serial_number
    assert (second.kind, second.device) == ("other", sha256(DEVICE.encode()).hexdigest())
    assert DEVICE not in second.line


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"logs": ["\\ud800"]}',
        {"logs": "text"},
        {"logs": None},
        b'{"logs": [null, {}, [], " "]}',
        {"lines": ["x"]},
        b'{"logs": [' + b"[" * 60_000,
        b"x" * (64 * 1024 + 1),
    ],
)
async def test_whatever_is_logged_all_is_well(device: Device, body: object):
    answer = await device.log(body)

    assert (answer.status, answer.content) == (200, b"")
    await device.log({"logs": ["a line"]})
    [told] = await device.told(NoteDeviceLogs)
    assert [line.line for line in told.lines] == ["a line"]


async def test_logs_are_cut_to_what_a_device_may_say(device: Device):
    await device.log({"logs": ["x" * 1200] * 20 + ["y"] * 60})

    [told] = await device.told(NoteDeviceLogs)
    assert len(told.lines) == 50
    assert {len(line.line) for line in told.lines} == {1000, 1}


async def test_ids_are_percent_decoded_and_hostile_ones_find_nothing(device: Device):
    encoded = device.registration.replace(PASS_TYPE, quote(PASS_TYPE).replace(".", "%2E"))
    assert (await device.register(path=encoded)).status == 201

    for serial in ("%00", "..%2F..", "%FF%FE", "a%20b", "%F0%9F%8E%9F", "x" * 4000, "'%3B--"):
        path = f"/wallet/v1/passes/{PASS_TYPE}/{serial}"
        answer = await device.send("GET", path)
        assert (answer.status in (400, 401), answer.content) == (True, b""), serial
    for name in ("%00", "a%20b", "x" * 200, "%F0%9F%8E%9F"):
        path = device.registration.replace(DEVICE, name)
        assert (await device.register(path=path)).status == 400, name
        listed = f"/wallet/v1/devices/{name}/registrations/{PASS_TYPE}"
        assert (await device.gateway.call("GET", listed)).status in (204, 400), name
        unregistered = await device.send("DELETE", path)
        assert unregistered.status in (200, 400), name
    assert device.owners.asked_for(ListUpdated) == []
    assert device.owners.asked_for(UnregisterDevice) == []


async def test_the_service_is_at_v1_once(device: Device):
    twice = await device.gateway.call("GET", f"/wallet/v1{device.file.removeprefix('/wallet')}")
    posted = await device.gateway.call("POST", device.registration.rpartition("/")[0])

    assert (twice.status, posted.status) == (404, 405)


async def test_no_log_line_tells_a_device_a_token_or_a_serial(
    device: Device, caplog: pytest.LogCaptureFixture
):
    device.owners.answer(ReadContent, rendered({}))
    with capture_logs() as lines:
        await device.register()
        await device.updates()
        await device.fetch()
        await device.fetch(authorization=f"Bearer {device.token}")
        await device.log({"logs": [f"device {DEVICE} CANARY"]})
        await device.unregister()

    seen = repr(lines) + caplog.text
    assert sum(line["event"] == "request" for line in lines) == 6
    assert "/wallet/v1/passes/{pass_type}/{serial_number}" in seen
    for secret in (DEVICE, device.token, PUSH_TOKEN, "CANARY", device.found.serial_number):
        assert secret not in seen


async def test_devices_have_their_place_in_the_reference(gateway: Gateway):
    document = (await gateway.call("GET", "/openapi.json")).json

    paths = [path for path in document["paths"] if path.startswith("/wallet/v1/")]
    assert len(paths) == 4
    fetch = document["paths"]["/wallet/v1/passes/{pass_type}/{serial_number}"]["get"]
    assert fetch["tags"] == ["Apple Wallet"]
    assert "content" not in fetch["responses"]["401"]
