"""The phone on the command line: what it took in one command is there in the next."""

import stat
from pathlib import Path

import pytest

from tests import forking
from tests.integration.wallet.server import a_toy_server, authority
from tests.system import clean_environment


async def run(folder: Path, *words: str) -> str:
    where = ("--wallet", str(folder / "wallet.json"), "--root", str(folder / "root.pem"))
    _, output, errors = await forking.run(
        "tests.wallet", *words, *where, environment=clean_environment()
    )
    return output + errors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root.pem").write_bytes(authority()[0].root_pem)
    return tmp_path


async def test_a_phone_is_kept_between_commands(folder: Path):
    async with a_toy_server() as toy:
        installed = await run(folder, "install", f"{toy.url}/p/1")
        toy.change()
        updated = await run(folder, "update")
        toy.change()
        refreshed = await run(folder, "refresh", "1")
        shown = await run(folder, "show")
        removed = await run(folder, "remove", "1")
        gone = await run(folder, "refresh")
    mode = stat.S_IMODE((folder / "wallet.json").stat().st_mode)

    assert "201  POST   /v1/devices/{device}/registrations/{type}/{serial}" in installed
    assert "points: 1" in installed
    assert "200  GET    /v1/devices/{device}/registrations/{type}" in updated
    assert "points: 2" in updated
    assert "points: 3" in refreshed
    assert "serial number 1 of pass.toy" in shown
    assert "200  DELETE" in removed
    assert "the phone holds no such pass" in gone
    assert mode == 0o600
    assert not toy.registrations


async def test_a_pass_that_a_phone_would_not_take_is_refused(folder: Path):
    async with a_toy_server() as toy:
        toy.spoiled = {"signature": b"0"}
        said = await run(folder, "install", f"{toy.url}/p/1")

    assert "\nrefused: " in said
