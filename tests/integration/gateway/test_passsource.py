"""Logins, client hashes and rights of PassSource's dialect, at the gateway alone."""

import asyncio
import hashlib
import json
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import pytest_asyncio

from services.gateway.catalogue import attempts
from services.gateway.catalogue.attempts import TooManyAttemptsError
from services.gateway.catalogue.logins import (
    ATTEMPTS,
    ATTEMPTS_OF_STRANGERS,
    LoginChange,
    LoginRefusedError,
)
from shared import clock
from shared.contracts.triggers import ChangePass, CreatePass, PassesPushed, PushPasses
from shared.errors import UnavailableError
from shared.hashes import client_hash
from shared.identifiers import new_id
from tests.integration.gateway.conftest import AnAccount, Answer, Gateway, make_account
from tests.integration.gateway.owners import Owners

PASSWORD = "correct horse"
CUT_SHORT = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\ncut"
GENERIC = '{"generic": {}, "mine": {"PSValue": "", "PSEditable": true}}'


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


@pytest_asyncio.fixture(autouse=True)
async def _forgiving(gateway: Gateway) -> None:
    await gateway.query("DELETE FROM attempts")


async def ask(gateway: Gateway, function: str, data: bytes | None = None, **query: str) -> Any:
    answer = await get(gateway, function, data, **query)
    assert answer.status == 200, answer.content
    return answer.json


async def get(gateway: Gateway, function: str, data: bytes | None, **query: str) -> Answer:
    path = f"/api/{function}.php?{urlencode(query)}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if data else {}
    return await gateway.call("POST" if data else "GET", path, data=data, headers=headers)


KNOWN = {"current_password": PASSWORD}


async def with_login(account: AnAccount) -> str:
    """Give an account a login; its e-mail address."""
    email = f"{secrets.token_hex(6)}@beans.example"
    body = {"email": email, "password": PASSWORD}
    assert (await account.call("PATCH", "/v1/account", body)).status == 200
    return email


async def hash_of(account: AnAccount) -> str:
    email = await with_login(account)
    return (await ask(account.gateway, "login", email=email, password=PASSWORD))["clientHash"]


async def a_template(gateway: Gateway, client: str) -> str:
    data = urlencode({"templateName": "Card", "passConstructor": GENERIC}).encode()
    return (await ask(gateway, "insertUpdateTemplate", data, clientHash=client))["templateHash"]


async def test_login_takes_the_address_in_any_case(gateway: Gateway, an_account: AnAccount):
    email = await with_login(an_account)

    answer = await ask(gateway, "login", email=f" {email.upper()} ", password=PASSWORD)

    assert answer["success"]
    assert (await an_account.call("GET", "/v1/account")).json["email"] == email


async def test_password_is_stored_as_scrypt_leaves_it(gateway: Gateway, an_account: AnAccount):
    await with_login(an_account)

    (row,) = await gateway.query(
        "SELECT * FROM accounts WHERE account_id = $1", an_account.account_id
    )

    assert row["password"].startswith("scrypt.")
    assert PASSWORD not in str(dict(row))


async def test_wrong_password_and_unknown_address_are_told_the_same(
    gateway: Gateway, an_account: AnAccount
):
    email = await with_login(an_account)

    wrong = await ask(gateway, "login", email=email, password="wrong")
    unknown = await ask(gateway, "login", email="nobody@x.example", password="wrong")

    assert wrong == unknown
    assert not wrong["success"]


async def test_account_without_a_password_lets_nobody_in(gateway: Gateway, an_account: AnAccount):
    email = await with_login(an_account)
    await an_account.call("PATCH", "/v1/account", {"password": None, **KNOWN})

    assert not (await ask(gateway, "login", email=email, password=""))["success"]
    assert not (await ask(gateway, "login", email=email, password=PASSWORD))["success"]


async def test_after_five_wrong_attempts_the_right_password_waits_too(
    gateway: Gateway, an_account: AnAccount, another_account: AnAccount
):
    email, other = await with_login(an_account), await with_login(another_account)
    for _ in range(ATTEMPTS.most):
        await ask(gateway, "login", email=email, password="wrong")

    right = await ask(gateway, "login", email=email, password=PASSWORD)
    elsewhere = await ask(gateway, "login", email=other, password=PASSWORD)
    await gateway.query("UPDATE attempts SET occurred_at = now() - interval '16 minutes'")
    later = await ask(gateway, "login", email=email, password=PASSWORD)
    await gateway.query("UPDATE attempts SET occurred_at = now() - interval '61 minutes'")
    await attempts.forget_old(gateway.context.database)

    assert "Too many" in right["message"]
    assert elsewhere["success"]  # behind the same proxy as whoever guesses
    assert later["success"]
    assert await gateway.query("SELECT FROM attempts") == []


async def test_behind_a_proxy_attempts_count_by_the_client_that_it_names(
    gateway: Gateway, an_account: AnAccount
):
    email = await with_login(an_account)

    async def login(client: str, password: str) -> Any:
        path = f"/api/login.php?{urlencode({'email': email, 'password': password})}"
        return (await gateway.call("GET", path, headers={"X-Forwarded-For": client})).json

    for number in range(ATTEMPTS.most):
        await login(f"203.0.113.{number}, 198.51.100.7", "wrong")

    assert "Too many" in (await login("198.51.100.7", PASSWORD))["message"]
    assert (await login("203.0.113.1", PASSWORD))["success"]


async def test_who_guesses_elsewhere_does_not_lock_the_owner_out(
    gateway: Gateway, an_account: AnAccount
):
    email = await with_login(an_account)
    logins = gateway.context.logins
    await logins.login(email, PASSWORD, "192.0.2.7")
    for network in range(ATTEMPTS_OF_STRANGERS.most):
        with pytest.raises(LoginRefusedError):
            await logins.login(email, "wrong", f"10.0.{network}.1")

    with pytest.raises(TooManyAttemptsError):
        await logins.login(email, PASSWORD, "10.1.0.1")
    for _ in range(ATTEMPTS.most):
        with pytest.raises(LoginRefusedError):
            await logins.login(email, "mistyped", "192.0.2.9")

    assert (await logins.login(email, PASSWORD, "192.0.2.8")).email == email


async def test_many_attempts_at_once_do_not_slip_by(gateway: Gateway, an_account: AnAccount):
    email = await with_login(an_account)

    answers = await asyncio.gather(
        *(ask(gateway, "login", email=email, password="wrong") for _ in range(12))
    )

    refused = [answer for answer in answers if "Too many" in answer["message"]]
    assert len(refused) == 12 - ATTEMPTS.most


async def test_right_passwords_do_not_count(gateway: Gateway, an_account: AnAccount):
    email = await with_login(an_account)

    for _ in range(ATTEMPTS.most + 1):
        assert (await ask(gateway, "login", email=email, password=PASSWORD))["success"]


async def test_attempts_keep_no_address(gateway: Gateway):
    email = "curious@x.example"
    await ask(gateway, "login", email=email, password="wrong")

    rows = await gateway.query("SELECT place FROM attempts")

    assert len(rows) == 2
    assert hashlib.sha256(f"email:{email}".encode()).digest() in {row["place"] for row in rows}


@pytest.mark.parametrize(
    "change",
    [
        {"email": "new@beans.example"},
        {"password": "another password"},
        {"subscription_expires_at": "2999-01-01T00:00:00Z"},
    ],
)
async def test_client_hash_ends_with_what_it_is_tied_to(
    gateway: Gateway, an_account: AnAccount, change: dict[str, str]
):
    client = await hash_of(an_account)
    assert (await ask(gateway, "clientInfo", clientHash=client))["success"]

    assert (await an_account.call("PATCH", "/v1/account", {**change, **KNOWN})).status == 200

    assert not (await ask(gateway, "clientInfo", clientHash=client))["success"]
    await gateway.query("UPDATE accounts SET email = NULL WHERE email = 'new@beans.example'")


async def test_client_hash_outlives_other_changes(gateway: Gateway, an_account: AnAccount):
    client = await hash_of(an_account)
    change = {"additional": {"psDashboard": {"A": "b"}}, "whitelabel": True,
              "background_color": "red"}  # fmt: skip

    await an_account.call("PATCH", "/v1/account", change)

    info = await ask(gateway, "clientInfo", clientHash=client)
    assert info["additional"] == change["additional"]
    assert (info["whitelabel"], info["backgroundColor"]) == (True, "red")


async def test_ended_subscription_lets_nobody_in(gateway: Gateway, an_account: AnAccount):
    email = await with_login(an_account)
    ended = LoginChange(subscription_expires_at=clock.now() - timedelta(seconds=1))
    account = await gateway.context.logins.change(an_account.account_id, ended)
    client = gateway.context.logins.client_hash(account)

    login = await ask(gateway, "login", email=email, password=PASSWORD)

    assert "subscription" in login["message"]
    assert not (await ask(gateway, "clientInfo", clientHash=client))["success"]


async def test_hash_of_another_epoch_or_account_is_refused(gateway: Gateway, an_account: AnAccount):
    for epoch in (0, 2, 99):
        client = client_hash(gateway.master_keys, an_account.account_id, epoch)
        assert not (await ask(gateway, "clientInfo", clientHash=client))["success"]
    nobody = client_hash(gateway.master_keys, new_id(), 1)
    assert not (await ask(gateway, "clientInfo", clientHash=nobody))["success"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": "nobody"}, "/email"),
        ({"email": "a b@c.example"}, "/email"),
        ({"password": "short"}, "/password"),
        ({"password": "x" * 257}, "/password"),
        ({"subscription_expires_at": "tomorrow"}, "/subscription_expires_at"),
        ({"subscription_expires_at": "2030-01-01T00:00:00"}, "/subscription_expires_at"),
        ({"additional": []}, "/additional"),
        ({"additional": {"x": "y" * 70_000}}, "/additional"),
        ({"account_id": "x"}, "/account_id"),
    ],
)
async def test_bad_change_of_an_account_is_422(
    an_account: AnAccount, body: dict[str, Any], pointer: str
):
    answer = await an_account.call("PATCH", "/v1/account", body)

    assert (answer.status, list(answer.faults)) == (422, [pointer])


async def test_address_of_another_account_is_taken(
    an_account: AnAccount, another_account: AnAccount
):
    email = await with_login(an_account)

    answer = await another_account.call("PATCH", "/v1/account", {"email": email.upper()})

    assert (answer.status, answer.code) == (409, "email_taken")


async def test_changing_an_account_needs_its_scope(an_account: AnAccount):
    less = await an_account.with_scopes("accounts:read")

    assert (await less.call("PATCH", "/v1/account", {"email": "a@b.example"})).status == 403


async def test_rights_decide_whether_the_owner_trusts_the_values(gateway: Gateway, owners: Owners):
    manager = await make_account(gateway)
    new = {"name": "Shop", "organization_name": "Shop"}
    made = (await manager.call("POST", "/v1/accounts", new)).json
    shop = AnAccount(gateway, made["account_id"], made["key"])
    stranger, client = await hash_of(await make_account(gateway)), await hash_of(shop)
    template = await a_template(gateway, client)
    callers = (client, await hash_of(manager), stranger, "", "x")

    for caller in callers:
        made = await ask(
            gateway, "createPassFromTemplateFields",
            clientHash=caller, templateHash=template, mine="1",
        )  # fmt: skip
        await ask(
            gateway, "updatePassFields",
            clientHash=caller, hashedSerialNumber=made["hashedSerialNumber"], mine="2",
        )  # fmt: skip

    trusted = [True, True, False, False, False]
    assert [command.trusted for command in owners.asked_for(CreatePass)] == trusted
    changes = owners.asked_for(ChangePass)
    assert [command.trusted for command in changes] == trusted
    assert not any(command.push for command in changes)


async def test_update_of_all_goes_in_the_bulk_lane(
    gateway: Gateway, owners: Owners, an_account: AnAccount
):
    owners.answer(PushPasses, lambda _: PassesPushed(count=7))
    client = await hash_of(an_account)
    template = await a_template(gateway, client)

    answer = await ask(gateway, "updatePassesForTemplate", clientHash=client, templateHash=template)

    assert answer == {"success": True, "count": 7}
    assert owners.lanes_of(PushPasses) == {"bulk"}


async def test_owner_that_is_away_is_503_in_json(
    gateway: Gateway, owners: Owners, an_account: AnAccount
):
    client = await hash_of(an_account)
    template = await a_template(gateway, client)
    owners.answer(CreatePass, lambda _: UnavailableError())

    answer = await get(gateway, "createPassFromTemplateFields", None, templateHash=template)

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.json["success"] is False


async def test_looking_at_a_link_creates_nothing(
    gateway: Gateway, owners: Owners, an_account: AnAccount
):
    template = await a_template(gateway, await hash_of(an_account))

    answer = await gateway.call("HEAD", f"/pass/create.php?templateHash={template}")

    assert answer.status == 200
    assert owners.asked_for(CreatePass) == []


@pytest.mark.parametrize(
    ("data", "media"),
    [
        (b"JSON=%7B", "application/x-www-form-urlencoded"),
        (b"JSON=%5B%5D", "application/x-www-form-urlencoded"),
        (b"a=%00", "application/x-www-form-urlencoded"),
        (b'JSON={"a": "\\u0000"}', "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(501)), "application/x-www-form-urlencoded"),
        (b"[]", "application/json"),
        (b"<a/>", "text/xml"),
        (b"not a form", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
        (b"--x\r\n\r\nno name\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (CUT_SHORT, "multipart/form-data; boundary=x"),
        (b"--x\r\nA: \x19\r\n\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"a=" + b"x" * (4 * 1024 * 1024), "application/x-www-form-urlencoded"),
    ],
)  # fmt: skip
async def test_broken_forms_are_refused_in_json(
    gateway: Gateway, an_account: AnAccount, data: bytes, media: str
):
    client = await hash_of(an_account)

    answer = await gateway.call(
        "POST", f"/api/insertUpdateTemplate?clientHash={client}&templateName=x", data=data,
        headers={"Content-Type": media},
    )  # fmt: skip

    assert (answer.status, answer.json["success"]) == (200, False)
    assert "passConstructor" not in answer.json["message"]


async def test_copy_of_a_public_template_keeps_the_edit_code_back(
    gateway: Gateway, an_account: AnAccount, another_account: AnAccount
):
    owner, stranger = await hash_of(an_account), await hash_of(another_account)
    constructor = '{"generic": {}, "psEditCode": "4711"}'
    fields = {"templateName": "Card", "passConstructor": constructor, "templatePublic": "1"}
    data = urlencode(fields).encode()
    made = await ask(gateway, "insertUpdateTemplate", data, clientHash=owner)

    copied = await ask(
        gateway, "insertUpdateTemplate", clientHash=stranger, templateHash=made["templateHash"]
    )
    info = await ask(
        gateway, "templateInfo", clientHash=stranger, templateHash=copied["templateHash"]
    )

    assert info["passConstructor"] == {"generic": {}}
    assert info["templateId"] != made["templateId"]


async def test_saving_a_constructor_keeps_what_it_cannot_say(
    gateway: Gateway, an_account: AnAccount
):
    client = await hash_of(an_account)
    template_hash = await a_template(gateway, client)
    (listed,) = (await an_account.call("GET", "/v1/templates")).json["data"]
    address = f"/v1/templates/{listed['template_id']}"
    properties = {"mine": {"value": "", "editable": True}}
    card: dict[str, Any] = {"name": "Card", "pass": {"generic": {}}, "properties": properties}
    await an_account.call("PUT", address, {**card, "scan_when_void": True})
    before = (await an_account.call("GET", address)).json
    form = {"templateHash": template_hash, "passConstructor": GENERIC}

    saved = await ask(gateway, "insertUpdateTemplate", urlencode(form).encode(), clientHash=client)
    after = (await an_account.call("GET", address)).json

    assert saved["success"]
    assert before["scan_when_void"] is True
    assert after == before


SCRIPTS = ("Zoë", "Łódź 10 €", "Ελλάδα", "日本語", "שלום", "👋🏽 & = + %")


@pytest.mark.parametrize("text", SCRIPTS)
@pytest.mark.parametrize("shape", ["form", "unescaped", "json", "json body", "multipart", "query"])
async def test_text_of_any_script_comes_through_every_form(
    gateway: Gateway, an_account: AnAccount, text: str, shape: str
):
    client = await hash_of(an_account)
    packed = json.dumps({"templateName": text, "passConstructor": GENERIC}, ensure_ascii=False)
    plain = {"templateName": text, "passConstructor": GENERIC}
    query, headers = {"clientHash": client}, {"Content-Type": "application/x-www-form-urlencoded"}
    match shape:
        case "form":
            data = urlencode(plain).encode()
        case "unescaped":
            data = "&".join(f"{k}={only_reserved(v)}" for k, v in plain.items()).encode()
        case "json":
            data = urlencode({"JSON": packed}).encode()
        case "json body":
            data, headers = b"\xef\xbb\xbf" + packed.encode(), {"Content-Type": "application/json"}
        case "multipart":
            data = b"".join(
                b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
                % (name.encode(), value.encode())
                for name, value in plain.items()
            )
            data, headers = data + b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}
        case _:
            data, query = b"JSON=%7B%7D", {**query, **plain}

    path = f"/api/insertUpdateTemplate.php?{urlencode(query)}"
    saved = (await gateway.call("POST", path, data=data, headers=headers)).json
    shown = await ask(
        gateway, "templateInfo", clientHash=client, templateHash=saved["templateHash"]
    )

    assert shown["templateName"] == text


def only_reserved(text: str) -> str:
    """Escape what a form needs escaped, and leave the rest as bytes, as some clients do."""
    return "".join(quote(c, safe="") if c.isascii() else c for c in text)


async def test_form_is_read_in_the_character_set_that_it_names(
    gateway: Gateway, an_account: AnAccount
):
    client = await hash_of(an_account)
    fields = {"templateName": "Zoë", "passConstructor": GENERIC}
    data = urlencode(fields, encoding="latin-1").encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=ISO-8859-1"}
    path = f"/api/insertUpdateTemplate.php?{urlencode({'clientHash': client})}"

    saved = (await gateway.call("POST", path, data=data, headers=headers)).json

    shown = await ask(
        gateway, "templateInfo", clientHash=client, templateHash=saved["templateHash"]
    )
    assert shown["templateName"] == "Zoë"


async def test_form_with_too_many_fields_is_told_so(gateway: Gateway):
    data = "&".join(["ä=1"] * 501).encode()
    answer = await ask(gateway, "login", data)

    assert answer["message"] == "A form has at most 500 fields."


@pytest.mark.parametrize("charset", ["undefined", "base64", "utf-9", "idna"])
async def test_odd_character_set_is_read_as_utf_8(
    gateway: Gateway, an_account: AnAccount, charset: str
):
    client = await hash_of(an_account)
    data = urlencode({"templateName": "Zoë", "passConstructor": GENERIC}).encode()
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
    path = f"/api/insertUpdateTemplate.php?{urlencode({'clientHash': client})}"

    saved = (await gateway.call("POST", path, data=data, headers=headers)).json

    assert saved["success"], saved


async def test_login_leaves_no_cookie(gateway: Gateway, an_account: AnAccount):
    email = await with_login(an_account)

    answer = await get(gateway, "login", None, email=email, password=PASSWORD)

    assert answer.json["success"]
    assert "set-cookie" not in answer.headers


async def test_only_ones_own_and_public_templates_are_copied(
    gateway: Gateway, an_account: AnAccount, another_account: AnAccount
):
    owner, stranger = await hash_of(an_account), await hash_of(another_account)
    secret = '{"generic": {}, "secret": "recipe"}'
    private = urlencode({"templateName": "Card", "passConstructor": secret}).encode()
    template = (await ask(gateway, "insertUpdateTemplate", private, clientHash=owner))[
        "templateHash"
    ]
    rename = urlencode({"templateName": "Mine"}).encode()
    where = {"templateHash": template, "clientHash": stranger}

    refused = await ask(gateway, "insertUpdateTemplate", rename, **where)
    public = urlencode({"templatePublic": "true"}).encode()
    await ask(gateway, "insertUpdateTemplate", public, clientHash=owner, templateHash=template)
    copied = await ask(gateway, "insertUpdateTemplate", rename, **where)

    assert (refused["success"], "right" in refused["message"]) == (False, True)
    assert copied["success"]
    assert copied["templateHash"] != template


async def test_template_hash_within_json_updates_that_template(
    gateway: Gateway, an_account: AnAccount
):
    client = await hash_of(an_account)
    template = await a_template(gateway, client)
    body = {"JSON": json.dumps({"templateName": "Renamed", "templateHash": template})}

    saved = await ask(gateway, "insertUpdateTemplate", urlencode(body).encode(), clientHash=client)

    assert saved["templateHash"] == template
    shown = await ask(gateway, "templateInfo", clientHash=client, templateHash=template)
    assert shown["templateName"] == "Renamed"


async def test_saved_template_is_answered_with_its_warnings_in_the_authors_words(
    gateway: Gateway, an_account: AnAccount
):
    client = await hash_of(an_account)
    constructor = {
        "generic": {
            "primaryFields": [
                {"key": "a", "value": "{nothing}", "PSConditions": "{no} isSet", "PSEdtable": True}
            ]
        },
        "psScanTxt": "",
        "logoText": {"PSValue": "x", "PSLable": "Logo"},
    }
    body = {"templateName": "Card", "passConstructor": json.dumps(constructor)}

    saved = await ask(gateway, "insertUpdateTemplate", urlencode(body).encode(), clientHash=client)

    told = {warning["path"]: warning["detail"] for warning in saved["warnings"]}
    field = "passConstructor.generic.primaryFields[0]"
    assert "names no path" in told[f"{field}.value"]
    assert f"{field}.PSConditions" in told
    assert told[f"{field}.PSEdtable"] == "PSEdtable is not known; PSEditable is"
    assert told["passConstructor.logoText.PSLable"] == "PSLable is not known; PSLabel is"
    assert "psScanText" in told["passConstructor.psScanTxt"]


async def test_repeat_with_an_idempotency_key_has_one_effect_and_one_answer(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    client = await hash_of(an_account)
    data = urlencode({"templateName": "Card", "passConstructor": GENERIC}).encode()
    path = f"/api/insertUpdateTemplate.php?{urlencode({'clientHash': client})}"
    form = {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": "k1"}

    first = await gateway.call("POST", path, data=data, headers=form)
    again = await gateway.call("POST", path, data=data, headers=form)
    other = await gateway.call("POST", path, data=data + b"&x=1", headers=form)
    template = first.json["templateHash"]
    create = f"/api/createPassFromTemplateFields.php?{urlencode({'templateHash': template})}"
    passes = [
        (await gateway.call("POST", create, data=b"mine=a", headers=form)).json for _ in range(2)
    ]

    assert again.json == first.json
    assert again.headers["idempotent-replayed"] == "true"
    assert "sent before with another request" in other.json["message"]
    assert passes[0] == passes[1]
    assert len(owners.asked_for(CreatePass)) == 1


async def test_parameters_that_name_no_path_are_ignored_and_listed(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    client = await hash_of(an_account)
    template = await a_template(gateway, client)
    data = urlencode({"mine": "a", "utm_source": "mail"}).encode()

    answer = await ask(
        gateway,
        "createPassFromTemplateFields",
        data,
        clientHash=client,
        templateHash=template,
    )

    assert answer["ignoredParameters"] == ["utm_source"]
    assert owners.asked_for(CreatePass)[0].values == {"mine": "a"}


@pytest.mark.parametrize("voided", ["true", "1", "false"])
async def test_voided_is_set_like_a_value(
    gateway: Gateway, an_account: AnAccount, owners: Owners, voided: str
):
    client = await hash_of(an_account)
    template = await a_template(gateway, client)

    await ask(
        gateway,
        "createPassFromTemplateFields",
        urlencode({"voided": voided}).encode(),
        clientHash=client,
        templateHash=template,
    )

    asked = [command.kind for command in owners.asked_for(ChangePass)]
    assert asked == ([] if voided == "false" else ["void"])
    assert owners.asked_for(CreatePass)[0].values == {}


async def test_call_that_is_too_long_is_refused_without_repeating_it(
    gateway: Gateway, an_account: AnAccount
):
    client = await hash_of(an_account)

    answer = await get(gateway, "clientInfo", None, clientHash=client, more="x" * 9000)

    assert answer.status == 400
    assert answer.json["code"] == "bad_request"
    assert client.encode() not in answer.content


async def test_metrics_are_not_for_the_public(gateway: Gateway):
    assert (await gateway.call("GET", "/metrics")).status == 404
