"""What Pass2U's API refuses, and how: R11, R12 and R91 to R101 of its reference.

The numbers count the statements of /work/shared's `pass2u-api-2.txt` from its beginning.
"""

import asyncio
import io

import pytest

from deploy.local.rabbitmq import PrivateRabbitMQ
from tests.e2e.pass2u import ATTRIBUTES, Copy, Model, Pass2U, open_shop
from tests.e2e.test_journeys import post
from tests.system import System, poll

# Who may ask


@pytest.mark.parametrize("key", ["", "e6a45207817bb8e9b1f3e67bb696067c", "ä"])
async def test_every_request_needs_a_key(model: Model, key: str):
    """R11, R92: the API key must be in the header x-api-key; without it access is denied."""
    copy, headers = await model.create(), {"x_api_key": key}
    for method, path in (
        ("POST", model.path),
        ("PUT", copy.path),
        ("GET", copy.path),
        ("DELETE", f"{copy.path}/attributes/logoText"),
        ("DELETE", f"{copy.path}/fields/name"),
        ("DELETE", f"{copy.path}/fields/name/attributes/label"),
        ("POST", "images"),
    ):
        await model.api.refused(403, method, path, {} if method == "PUT" else None, **headers)


@pytest.mark.parametrize("scope", ["passes:read", "passes:write"])
async def test_a_key_does_what_it_may(model: Model, scope: str):
    """R92: a key that lacks the scope of an operation is denied access."""
    copy = await model.create()
    new = {"name": "less", "scopes": [scope]}
    key = (await post(model.api.http, "/v1/keys", new, expect=201))["key"]

    statuses = [
        (await model.api.ask(method, path, body, x_api_key=key)).status
        for method, path, body in (
            ("PUT", copy.path, {"logoText": "x"}),
            ("GET", copy.path, None),
            ("DELETE", f"{copy.path}/fields/name", None),
            ("POST", "images", None),
        )
    ]

    writes = [200, 403, 200, 403]
    assert statuses == (writes if scope == "passes:write" else [403, 200, 403, 403])


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "", "image/png"])
async def test_only_json_is_taken(model: Model, media: str):
    """R12, R97: only JSON is the payload of requests; other types are not supported."""
    copy = await model.create()

    for method, path in (("POST", model.path), ("PUT", copy.path)):
        await model.api.refused(415, method, path, data=b"{}", Content_Type=media)


# What there is not


@pytest.mark.parametrize("model_id", ["0", "x", "1.5", "-1", "99999999999999999999", "1e3", "%00"])
async def test_an_unknown_model_is_not_found(model: Model, model_id: str):
    """R63, R93: a modelId that names no model of the account is not found."""
    copy = await model.create()
    body = {"barcode": {"message": "1"}}
    status = 400 if model_id == "%00" else 404

    await model.api.refused(status, "POST", f"models/{model_id}/passes", body)
    await model.api.refused(status, "PUT", f"models/{model_id}/passes/{copy.pass_id}", body)
    await model.api.refused(status, "GET", f"models/{model_id}/passes/{copy.pass_id}")


async def test_models_and_passes_of_others_are_not_there(system: System, model: Model):
    """R93: neither a model of another account is found, nor a pass of another account or model."""
    copy, other = await model.create(), await model.api.model()
    stranger = await open_shop(system)
    async with stranger.http:
        own = await stranger.model()
        for path in (copy.path, f"{own.path}/{copy.pass_id}"):
            await stranger.refused(404, "PUT", path, {})
            await stranger.refused(404, "GET", path)
            await stranger.refused(404, "DELETE", f"{path}/attributes/logoText")
        await stranger.refused(404, "POST", model.path, {"barcode": {"message": "1"}})
    for pass_id in (copy.pass_id, "VT-2I77F5ADz"):
        path = f"{other.path}/{pass_id}"
        await model.api.refused(404, "PUT", path, {"logoText": "x"})
        await model.api.refused(404, "GET", path)
        await model.api.refused(404, "DELETE", f"{path}/fields/name")

    assert await copy.shown("logoText") == ATTRIBUTES["logoText"]


async def test_what_was_deleted_is_not_found(shop: Pass2U):
    """R93: nor is a pass that was deleted, or one whose model was."""
    model = await shop.model()
    gone, orphan = await model.create(), await model.create()
    async with shop.http.delete(f"/v1/passes/{gone.pass_id}") as response:
        assert response.ok
    await shop.refused(404, "PUT", gone.path, {})
    await shop.refused(404, "GET", gone.path)
    async with shop.http.delete(f"/v1/templates/{model.template_id}") as response:
        assert response.ok

    await shop.refused(404, "PUT", orphan.path, {})
    await model.refused(404)


# What cannot be done


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "EOF"), (b"{", "line 1 column 1"), (b'{"logoText":}', "line 1 column 13"),
        (b"[]", "object"), (b"null", "object"), (b'"x"', "object"), (b"\xff", "Invalid JSON"),
        (b'{"maxDistance":NaN}', "Invalid JSON"), (b'{"logoText":"\xff"}', "Invalid JSON"),
        (b"[" + b" " * 1024 * 1024, "1048576"),
    ],
)  # fmt: skip
async def test_a_broken_body_is_a_bad_request(model: Model, body: bytes, reason: str):
    """R91: Bad Request, and where the JSON is broken."""
    copy, headers = await model.create(), {"Content_Type": "application/json"}

    for method, path in (("POST", model.path), ("PUT", copy.path)):
        message = await model.api.refused(400, method, path, data=io.BytesIO(body), **headers)
        assert reason.lower() in message.lower()


async def test_what_is_refused_changes_nothing(model: Model):
    """R91: an update that cannot be done is not done in part."""
    copy = await model.create(logoText="Mine")
    await copy.refused(400, logoText="x", backgroundColor="nonsense")

    assert await copy.shown("logoText") == "Mine"


@pytest.mark.parametrize("path", ["", "models", "models/1", "nowhere", "models/1/passes/x/y"])
async def test_an_unknown_address_is_not_found(model: Model, path: str):
    """R93, R101: in the words of the reference."""
    await model.api.refused(404, "GET", path)


async def test_another_method_is_bad(model: Model):
    """R94: Bad Method."""
    copy = await model.create()

    for method, path in (
        ("GET", model.path), ("PATCH", copy.path), ("POST", copy.path), ("DELETE", copy.path),
        ("GET", "images"), ("PUT", f"{copy.path}/attributes/logoText"),
    ):  # fmt: skip
        await model.api.refused(405, method, path)


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/png, text/*"])
async def test_what_cannot_be_accepted_is_not_done(model: Model, accept: str):
    """R95: HTTP Not Acceptable is a 405, and nothing was done."""
    copy, body = await model.create(), {"barcode": {"message": "1"}, "logoText": "Mine"}

    for method, path, sent in (
        ("POST", model.path, body), ("PUT", copy.path, body), ("POST", "images", None),
        ("DELETE", f"{copy.path}/attributes/logoText", None), ("GET", copy.path, None),
    ):  # fmt: skip
        headers = {"Accept": accept, "Content_Type": "image/png"} if path == "images" else {}
        await model.api.refused(405, method, path, sent, **{"Accept": accept, **headers})
    await model.api.refused(405, "GET", copy.path, Accept="application/json")

    assert await copy.shown("logoText") == ATTRIBUTES["logoText"]


async def test_an_owner_that_is_late_is_a_timeout(distributed: System):
    """R100: Endpoint Request Timed-out, when the owner of passes stands still."""
    api = await open_shop(distributed)
    async with api.http:
        model = await api.model()
        copy = await model.create()
        with distributed.processes["triggers"].paused():
            late = await asyncio.gather(
                model.refused(504),
                copy.refused(504, logoText="x"),
                api.refused(504, "GET", copy.path),
            )
        await poll(lambda: is_well(copy), "pass again")

    assert all(late)


async def test_a_broker_that_is_away_is_service_unavailable(
    distributed: System, rabbitmq_server: PrivateRabbitMQ | None
):
    """R99: Service Unavailable, which may be tried again."""
    if rabbitmq_server is None:
        pytest.skip("an outside server is not ours to stop")
    api = await open_shop(distributed)
    async with api.http:
        model = await api.model()
        copy = await model.create()
        await asyncio.to_thread(rabbitmq_server.kill)
        try:
            replies = await asyncio.gather(
                api.ask("POST", model.path, {"barcode": {"message": "1"}}),
                api.ask("PUT", copy.path, {"logoText": "x"}),
                api.ask("GET", copy.path),
            )
        finally:
            await asyncio.to_thread(rabbitmq_server.start)
        await distributed.until_ready()
        await poll(lambda: is_well(copy), "pass again")

    assert [reply.status for reply in replies] == [503] * 3
    assert all(list(reply.body) == ["message"] for reply in replies)
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in replies)


async def is_well(copy: Copy) -> bool:
    return (await copy.api.ask("GET", copy.path)).status == 200
