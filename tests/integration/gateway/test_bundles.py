"""Several passes in one file."""

import io
import json
import zipfile

import pytest_asyncio

from shared.contracts.generator import ReadContent
from shared.contracts.notifier import NoteFetch
from shared.errors import GoneError, UnavailableError
from tests.integration.gateway.conftest import AnAccount, Gateway
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import a_png, make_template, upload
from tests.integration.gateway.test_pages import a_pass, rendered
from tests.system import poll


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


def address(*handles: str) -> str:
    return "/p.pkpasses?" + "&".join(f"pass={handle}" for handle in handles)


async def test_a_bundle_holds_whole_passes(gateway: Gateway, an_account: AnAccount, owners: Owners):
    png = a_png("red")
    await upload(an_account, png)
    template_id = await make_template(an_account)
    handles = [a_pass(owners, an_account, template_id).handle for _ in range(10)]
    owners.answer(ReadContent, rendered({"icon.png": png}))

    answer = await gateway.call("GET", address(*handles, handles[0]))
    assert answer.status == 422  # eleven, though one of them twice
    answer = await gateway.call("GET", address(*handles))
    head = await gateway.call("HEAD", address(*handles))

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/vnd.apple.pkpasses"
    assert answer.headers["content-disposition"] == 'attachment; filename="passes.pkpasses"'
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["content-length"] == head.headers["content-length"]
    assert answer.headers["cache-control"] == "private, no-cache"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        assert bundle.testzip() is None
        assert not any(entry.flag_bits & 0x08 for entry in bundle.infolist())
        files = {name: bundle.read(name) for name in bundle.namelist()}
    assert list(files) == [f"pass-{number}.pkpass" for number in range(1, 11)]
    inside: list[str] = []
    for data in files.values():
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            inside.append(json.loads(archive.read("pass.json"))["serialNumber"])
    assert inside == handles
    await poll(lambda: len(owners.asked_for(NoteFetch)) == 10, "notes")
    assert {note.handle for note in owners.asked_for(NoteFetch)} == set(handles)


async def test_a_pass_that_is_named_twice_is_there_once(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    handle = a_pass(owners, an_account, await make_template(an_account)).handle
    owners.answer(ReadContent, rendered({}))

    answer = await gateway.call("GET", address(handle, handle, handle.upper(), f"{handle})."))

    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        assert bundle.namelist() == ["pass-1.pkpass"]


async def test_a_bundle_is_whole_or_not_at_all(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    handle = a_pass(owners, an_account, await make_template(an_account)).handle
    owners.answer(ReadContent, rendered({}))

    unknown = await gateway.call("GET", address(handle, "nothing"))
    owners.answer(ReadContent, lambda _: GoneError())
    gone = await gateway.call("GET", address(handle))
    owners.answer(ReadContent, lambda _: UnavailableError())
    away = await gateway.call("GET", address(handle))
    nothing = await gateway.call("GET", "/p.pkpasses")
    odd = await gateway.call("GET", f"{address(handle)}&x=1")

    assert [a.status for a in (unknown, gone, away, nothing, odd)] == [404, 410, 503, 422, 422]
    assert b"There is no such pass" in unknown.content
    assert owners.asked_for(NoteFetch) == []


async def test_a_bundle_has_a_largest_size(gateway: Gateway, an_account: AnAccount, owners: Owners):
    handle = a_pass(owners, an_account, await make_template(an_account)).handle
    whole = rendered({"icon.png": a_png()})

    def heavy(query: ReadContent) -> object:
        content = whole(query)
        [image] = content.images.values()
        content.images = {"icon.png": image.model_copy(update={"size": 150_000_000})}
        return content

    owners.answer(ReadContent, heavy)  # type: ignore[arg-type]

    answer = await gateway.call("GET", address(handle))
    assert answer.status == 413
    assert b"one by one" in answer.content
