import asyncio
from uuid import UUID

import pytest
from cryptography import x509

from services.gateway.catalogue.keyring import REMEMBER_SECONDS
from services.gateway.domain import SCOPES
from shared.contracts.gateway import IDENTITY_PURPOSE, IdentitySaved
from shared.passes.apple.identities import identity_from_pem
from tests.integration.gateway.conftest import AnAccount, Gateway, make_account

NEW = {"name": "Kiosk", "organization_name": "Kiosk GmbH"}


async def test_account_sees_itself(an_account: AnAccount):
    answer = await an_account.call("GET", "/v1/account")

    assert answer.status == 200
    assert answer.json["account_id"] == str(an_account.account_id)
    assert answer.json["managed_by"] is None


async def test_account_creates_one_that_it_manages(gateway: Gateway, an_account: AnAccount):
    created = await an_account.call("POST", "/v1/accounts", NEW)
    child = AnAccount(gateway, UUID(created.json["account_id"]), created.json["key"])

    assert created.status == 201
    assert created.json["managed_by"] == str(an_account.account_id)
    assert (await an_account.call("GET", created.headers["location"])).json["name"] == "Kiosk"
    assert (await child.call("GET", "/v1/account")).json["account_id"] == str(child.account_id)
    listed = await an_account.call("GET", "/v1/accounts")
    assert [one["account_id"] for one in listed.json["data"]] == [str(child.account_id)]


async def test_managed_account_does_not_see_its_manager(gateway: Gateway, an_account: AnAccount):
    created = await an_account.call("POST", "/v1/accounts", NEW)
    child = AnAccount(gateway, UUID(created.json["account_id"]), created.json["key"])

    answer = await child.call("GET", f"/v1/accounts/{an_account.account_id}")

    assert (answer.status, answer.code) == (404, "account_not_found")


@pytest.mark.parametrize("account_id", ["x", "019a0000-0000-7000-8000-000000000000"])
async def test_unknown_account_is_404(an_account: AnAccount, account_id: str):
    answer = await an_account.call("GET", f"/v1/accounts/{account_id}")

    assert (answer.status, answer.code) == (404, "account_not_found")


async def test_account_of_others_is_404(an_account: AnAccount, another_account: AnAccount):
    answer = await an_account.call("GET", f"/v1/accounts/{another_account.account_id}")

    assert answer.status == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "", "organization_name": "x"}, "/name"),
        ({"name": "x"}, "/organization_name"),
        ({"name": "x", "organization_name": "x" * 65}, "/organization_name"),
        ({"name": "x", "organization_name": "x", "managed_by": None}, "/managed_by"),
    ],
)
async def test_bad_account_is_422(an_account: AnAccount, body: dict[str, str], pointer: str):
    answer = await an_account.call("POST", "/v1/accounts", body)

    assert (answer.status, list(answer.faults)) == (422, [pointer])


async def test_broken_json_is_400(an_account: AnAccount):
    headers = {"Content-Type": "application/json"}

    answer = await an_account.call("POST", "/v1/accounts", data=b'{"name"', headers=headers)

    assert answer.status == 400


async def test_new_account_has_a_development_identity(gateway: Gateway, an_account: AnAccount):
    (event,) = await gateway.announced(an_account.account_id)
    saved = IdentitySaved.model_validate(event[1])
    pem = gateway.master_keys.open(
        saved.sealed, purpose=IDENTITY_PURPOSE, owner=str(an_account.account_id)
    )
    identity = identity_from_pem(pem)

    assert event[0] == IdentitySaved.name
    assert saved.pass_type_identifier == f"pass.development.{an_account.account_id.hex[-12:]}"
    assert identity.development
    assert (identity.pass_type_identifier, identity.team_identifier) == (
        saved.pass_type_identifier,
        saved.team_identifier,
    )


async def test_development_root_vouches_for_the_identity(gateway: Gateway, an_account: AnAccount):
    answer = await gateway.call("GET", "/v1/development-root.pem")
    root = x509.load_pem_x509_certificate(answer.content)
    (event,) = await gateway.announced(an_account.account_id)
    pem = gateway.master_keys.open(
        event[1]["sealed"], purpose=IDENTITY_PURPOSE, owner=str(an_account.account_id)
    )

    assert answer.headers["content-type"] == "application/x-pem-file"
    identity_from_pem(pem).intermediates[0].verify_directly_issued_by(root)


async def test_no_private_key_rests_in_the_clear(gateway: Gateway, an_account: AnAccount):
    rows = await gateway.query("SELECT identities::text AS text FROM identities")
    rows += await gateway.query("SELECT a::text AS text FROM development_authorities AS a")

    assert rows
    assert not [row for row in rows if "PRIVATE" in row["text"]]


async def test_request_without_a_key_is_401(gateway: Gateway):
    answer = await gateway.call("GET", "/v1/account")

    assert (answer.status, answer.code) == (401, "unauthorized")


@pytest.mark.parametrize("key", ["", "nonsense", "pw_aaaaaaaaaaaa_" + "a" * 43, "ä"])
async def test_unknown_key_is_401(gateway: Gateway, key: str):
    answer = await gateway.call("GET", "/v1/account", headers={"X-API-Key": key})

    assert answer.status == 401


async def test_right_id_with_a_wrong_secret_is_401(gateway: Gateway, an_account: AnAccount):
    await an_account.call("GET", "/v1/account")
    wrong = AnAccount(gateway, an_account.account_id, an_account.key[:16] + "a" * 43)

    assert (await wrong.call("GET", "/v1/account")).status == 401


async def test_missing_scope_is_403_and_named(an_account: AnAccount):
    reader = await an_account.with_scopes("accounts:read")

    answer = await reader.call("POST", "/v1/accounts", NEW)

    assert (answer.status, answer.code) == (403, "scope_missing")
    assert "accounts:write" in answer.json["detail"]


async def test_key_is_shown_once(an_account: AnAccount):
    made = await an_account.call("POST", "/v1/keys", {"name": "till", "scopes": ["scans:write"]})
    listed = await an_account.call("GET", "/v1/keys")

    assert made.status == 201
    assert made.json["key"].startswith(f"pw_{made.json['key_id']}_")
    assert [key["name"] for key in listed.json["data"]] == ["first key", "till"]
    assert made.json["key"].encode() not in listed.content


async def test_only_the_digest_of_a_key_is_stored(gateway: Gateway, an_account: AnAccount):
    secret = an_account.key.rpartition("_")[2]
    rows = await gateway.query("SELECT s::text AS text FROM api_key_secrets AS s")
    rows += await gateway.query("SELECT k::text AS text FROM api_keys AS k")

    assert not [row for row in rows if secret in row["text"]]


async def test_key_cannot_give_scopes_it_lacks(an_account: AnAccount):
    clerk = await an_account.with_scopes("keys:write", "scans:write")

    more = await clerk.call("POST", "/v1/keys", {"name": "x", "scopes": ["passes:write"]})
    all_of_them = await clerk.call("POST", "/v1/keys", {"name": "x", "scopes": ["*"]})
    same = await clerk.call("POST", "/v1/keys", {"name": "x", "scopes": ["scans:write"]})

    assert (more.status, more.code) == (403, "scope_not_held")
    assert all_of_them.status == 403
    assert same.status == 201


async def test_key_cannot_rotate_one_that_may_do_more(an_account: AnAccount):
    clerk = await an_account.with_scopes("keys:write")
    first = an_account.key.split("_")[1]

    answer = await clerk.call("POST", f"/v1/keys/{first}/rotate", {})

    assert (answer.status, answer.code) == (403, "scope_not_held")


async def test_lesser_key_does_not_get_what_a_repeated_request_of_a_greater_one_showed(
    an_account: AnAccount,
):
    lesser = await an_account.with_scopes("keys:write")
    new = {"name": "all", "scopes": ["*"]}
    few = {"name": "few", "scopes": ["keys:write"]}
    made = await an_account.call("POST", "/v1/keys", new, key="a")
    mine = await lesser.call("POST", "/v1/keys", few, key="b")
    rotation = f"/v1/keys/{made.json['key_id']}/rotate"
    await an_account.call("POST", rotation, {}, key="c")

    answers = [
        await lesser.call("POST", "/v1/keys", new, key="a"),
        await lesser.call("POST", rotation, {}, key="c"),
    ]
    own = await lesser.call("POST", "/v1/keys", few, key="b")
    greater = await an_account.call("POST", "/v1/keys", few, key="b")

    assert [(a.status, a.code) for a in answers] == [(403, "scope_not_held")] * 2
    assert own.json == greater.json == mine.json


async def test_login_changes_with_every_scope_and_the_present_password_only(
    an_account: AnAccount,
):
    lesser = await an_account.with_scopes("accounts:write", "accounts:read", "keys:write")
    first = {"email": f"{an_account.account_id}@beans.example", "password": "the first one"}

    async def change(account: AnAccount, body: dict[str, str | None]) -> tuple[int, str]:
        answer = await account.call("PATCH", "/v1/account", body)
        return answer.status, "" if answer.status == 200 else answer.code

    refused = [await change(lesser, {name: value}) for name, value in first.items()]
    other = await change(lesser, {"background_color": "red"})
    set_first = await change(an_account, dict(first))
    without = await change(an_account, {"password": "the second one"})
    wrong = await change(an_account, {"email": None, "current_password": "a guess"})
    right = await change(
        an_account, {"password": "the second one", "current_password": "the first one"}
    )

    assert refused == [(403, "scope_not_held")] * 2
    assert other == set_first == right == (200, "")
    assert without == wrong == (403, "current_password_needed")


async def test_present_password_cannot_be_guessed_on(an_account: AnAccount):
    first = {"email": f"{an_account.account_id}@beans.example", "password": "the first one"}
    await an_account.call("PATCH", "/v1/account", first)
    guesses = [
        await an_account.call("PATCH", "/v1/account", {"email": None, "current_password": guess})
        for guess in ("1", "2", "3", "4", "5", "the first one")
    ]

    assert [(g.status, g.code) for g in guesses] == [
        *[(403, "current_password_needed")] * 5,
        (429, "too_many_attempts"),
    ]


async def test_unknown_scope_is_422(an_account: AnAccount):
    answer = await an_account.call("POST", "/v1/keys", {"name": "x", "scopes": ["everything"]})

    assert (answer.status, list(answer.faults)) == (422, ["/scopes/0"])


async def test_account_has_at_most_fifty_keys(gateway: Gateway, an_account: AnAccount):
    made = await asyncio.gather(
        *(
            an_account.call("POST", "/v1/keys", {"name": str(n), "scopes": ["scans:write"]})
            for n in range(51)
        )
    )
    refused = [answer for answer in made if answer.status == 409]

    assert [answer.code for answer in refused] == ["too_many_api_keys"] * 2
    assert len((await an_account.call("GET", "/v1/keys")).json["data"]) == 50


async def test_revoked_key_is_refused_at_once(an_account: AnAccount):
    till = await an_account.with_scopes("keys:read")
    assert (await till.call("GET", "/v1/keys")).status == 200

    revoked = await an_account.call("DELETE", f"/v1/keys/{till.key.split('_')[1]}")

    assert revoked.status == 204
    assert (await till.call("GET", "/v1/keys")).status == 401


async def test_key_revoked_elsewhere_is_refused_once_it_is_forgotten_here(
    gateway: Gateway, an_account: AnAccount
):
    till = await an_account.with_scopes("keys:read")
    assert (await till.call("GET", "/v1/keys")).status == 200

    await gateway.context.keys.revoke(an_account.account_id, till.key.split("_")[1])
    async with asyncio.timeout(10 * REMEMBER_SECONDS):
        while (await till.call("GET", "/v1/keys")).status == 200:
            await asyncio.sleep(0.05)


async def test_key_of_another_account_cannot_be_revoked_or_rotated(
    an_account: AnAccount, another_account: AnAccount
):
    foreign = another_account.key.split("_")[1]

    revoked = await an_account.call("DELETE", f"/v1/keys/{foreign}")
    rotated = await an_account.call("POST", f"/v1/keys/{foreign}/rotate", {})

    assert (revoked.status, rotated.status) == (404, 404)
    assert (await another_account.call("GET", "/v1/account")).status == 200


async def test_rotated_key_works_with_both_secrets(gateway: Gateway, an_account: AnAccount):
    key_id = an_account.key.split("_")[1]
    assert (await an_account.call("GET", "/v1/account")).status == 200

    rotated = await an_account.call("POST", f"/v1/keys/{key_id}/rotate", {"grace": 60})
    new = AnAccount(gateway, an_account.account_id, rotated.json["key"])

    assert rotated.json["key_id"] == key_id
    assert (await new.call("GET", "/v1/account")).status == 200
    assert (await an_account.call("GET", "/v1/account")).status == 200


async def test_rotation_without_grace_ends_the_old_secret_at_once(
    gateway: Gateway, an_account: AnAccount
):
    key_id = an_account.key.split("_")[1]

    rotated = await an_account.call("POST", f"/v1/keys/{key_id}/rotate", {"grace": 0})
    new = AnAccount(gateway, an_account.account_id, rotated.json["key"])

    assert (await an_account.call("GET", "/v1/account")).status == 401
    assert (await new.call("GET", "/v1/account")).status == 200


async def test_key_rotated_elsewhere_works_at_once_here(gateway: Gateway, an_account: AnAccount):
    await an_account.call("GET", "/v1/account")
    another = gateway.context.keyring
    await another.find(an_account.key)
    key_id = an_account.key.split("_")[1]

    rotated = await an_account.call("POST", f"/v1/keys/{key_id}/rotate", {})

    assert await another.find(rotated.json["key"])


async def test_grace_is_at_most_seven_days(an_account: AnAccount):
    path = f"/v1/keys/{an_account.key.split('_')[1]}/rotate"

    answer = await an_account.call("POST", path, {"grace": 7 * 86400 + 1})

    assert (answer.status, list(answer.faults)) == (422, ["/grace"])


async def test_secrets_of_a_key_do_not_pile_up(an_account: AnAccount):
    path = f"/v1/keys/{an_account.key.split('_')[1]}/rotate"

    statuses = [(await an_account.call("POST", path, {})).status for _ in range(10)]

    assert statuses == [200] * 9 + [409]


async def test_last_use_is_stamped_after_the_request(gateway: Gateway):
    account = await make_account(gateway)

    await account.call("GET", "/v1/account")

    async with asyncio.timeout(20):
        while not (await account.call("GET", "/v1/keys")).json["data"][0]["last_used_at"]:
            await asyncio.sleep(0.02)


async def test_many_first_requests_share_one_lookup(gateway: Gateway, an_account: AnAccount):
    answers = await asyncio.gather(*(an_account.call("GET", "/v1/account") for _ in range(50)))

    assert {answer.status for answer in answers} == {200}


async def test_index_leads_to_the_documents(gateway: Gateway):
    page = await gateway.call("GET", "/")

    assert page.status == 200
    for path in ("/docs", "/openapi.json", "/health"):
        assert f'href="{path}"' in page.content.decode()
        assert (await gateway.call("GET", path)).status == 200


async def test_every_scope_that_an_operation_needs_can_be_given(gateway: Gateway):
    document = (await gateway.call("GET", "/openapi.json")).json

    needed = {
        operation["x-scope"]
        for item in document["paths"].values()
        for operation in item.values()
        if "x-scope" in operation
    }

    assert needed <= set(SCOPES)
    assert needed >= set(SCOPES) - {"*"}
