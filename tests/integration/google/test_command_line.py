"""Google on the command line: one process serves, others save, watch and remove."""

import asyncio
import json
import stat
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests import forking
from tests.forking import ROOT
from tests.google.accounts import new_key
from tests.google.links import GOOGLES_SAVE_URL
from tests.google.server import FakeGoogle
from tests.integration.google.documents import CLASS, OBJECT, class_of, object_of
from tests.integration.google.issuer import IssuerServer, an_issuer_server
from tests.sockets import Identity, free_port
from tests.system import clean_environment


@dataclass
class CommandLine:
    folder: Path
    port: int

    @property
    def where(self) -> tuple[str, ...]:
        return ("--port", str(self.port), "--folder", str(self.folder))

    async def start(self, *words: str) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.google", *words, *self.where,
            cwd=ROOT, stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip

    async def run(self, *words: str) -> str:
        _, output, errors = await forking.run(
            "tests.google", *words, *self.where, environment=clean_environment()
        )
        return output + errors

    @asynccontextmanager
    async def running(self, *words: str, until: str) -> AsyncGenerator[Process]:
        """Let a command go on, once it has printed something."""
        process = await self.start(*words)
        try:
            await read_until(process, until)
            yield process
        finally:
            process.terminate()
            await process.communicate()

    @asynccontextmanager
    async def issuer_server(
        self, key_file: dict[str, str] | None = None
    ) -> AsyncGenerator[IssuerServer]:
        """Run an issuer's server that has an account, that of the folder unless said."""
        kept = json.loads((self.folder / "service_account.json").read_text())
        google = FakeGoogle(self.port, Identity.kept(self.folder / "server.pem", "Fake Google"))
        async with an_issuer_server(google, key_file or kept) as server:
            yield server


async def read_until(process: Process, text: str) -> str:
    assert process.stdout is not None
    output = ""
    async with asyncio.timeout(20):
        while text not in output:
            line = (await process.stdout.readline()).decode()
            assert line, f"ended without {text!r}: {output}"
            output += line
    return output


@pytest.fixture
def command_line(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "google", free_port())


async def test_a_card_is_saved_watched_and_removed(command_line: CommandLine):
    async with (
        command_line.running("serve", "--any-image", until="export PASSWRIGHT_GOOGLE_ROOT="),
        command_line.issuer_server() as issuer,
        command_line.running("watch", until="watching") as watch,
    ):
        await issuer.insert_both()
        saved = await command_line.run("save", issuer.link({"loyaltyObjects": [{"id": OBJECT}]}))
        await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": "Grace"})
        news = {"message": {"header": "News", "body": "Open", "messageType": "TEXT_AND_NOTIFY"}}
        await issuer.ask("POST", f"loyaltyClass/{CLASS}/addMessage", news)
        seen = await read_until(watch, "Message: News: Open")
        removed = await command_line.run("remove", OBJECT)
        again = await command_line.run("remove", OBJECT)
        refused = await command_line.run("save", "https://pay.google.com/gp/v/save/no.j.wt")

    assert saved.startswith("Bean Club  (loyalty, Example)\n  Name: Ada\n")
    assert f"{OBJECT} changed, silently\n" in seen
    assert "Name: Grace" in seen
    assert f"{OBJECT} changed, notified: News\n" in seen
    assert removed == f"removed {OBJECT}\n"
    assert again.startswith("refused: ")
    assert refused.startswith("refused: The JWT is invalid")


async def test_the_account_and_the_certificate_are_kept(command_line: CommandLine):
    files = [command_line.folder / name for name in ("service_account.json", "root.pem")]
    kept: list[list[bytes]] = []
    for _ in range(2):
        async with command_line.running("serve", until="export PASSWRIGHT_GOOGLE_ROOT="):
            kept.append([file.read_bytes() for file in files])
            async with command_line.issuer_server() as issuer:
                assert (await issuer.ask("GET", "issuer")).status == 200

    assert kept[0] == kept[1]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


async def test_an_account_is_invited_by_its_public_key(
    command_line: CommandLine, google: FakeGoogle, tmp_path: Path
):
    account = google.accounts.by_email[google.key_file["client_email"]]
    ((key_id, key),) = account.keys.items()
    public = tmp_path / "public.pem"
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    invitation = ("serve", "--invite", account.email, key_id, str(public))

    async with (
        command_line.running(*invitation, until="export PASSWRIGHT_GOOGLE_ROOT="),
        command_line.issuer_server(google.key_file) as issuer,
    ):
        assert (await issuer.ask("GET", "issuer")).status == 200


@pytest.mark.parametrize("words", [("save",), ("remove",), ("watch", "x")])
async def test_what_a_command_needs_is_said(command_line: CommandLine, words: tuple[str, ...]):
    assert "save takes a link, remove the id of an object" in await command_line.run(*words)


async def test_without_google_a_command_says_so(command_line: CommandLine):
    assert (await command_line.run("watch")).startswith("cannot be used: ")


async def test_a_link_of_which_nothing_was_sent_shows_the_card_that_passwright_keeps(
    command_line: CommandLine, tmp_path: Path
):
    key = new_key()
    demo = tmp_path / "demo.json"
    public = tmp_path / "google.pem"
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    state = {"object_id": OBJECT, "class": class_of("loyalty"), "object": object_of("loyalty")}
    claims = {
        "iss": "wallet@development", "aud": "google", "typ": "savetowallet", "iat": int(time()),
        "payload": {"loyaltyObjects": [{"id": OBJECT, "classId": CLASS}]},
    }  # fmt: skip
    link = GOOGLES_SAVE_URL + jwt.encode(claims, key, "RS256", {"kid": "development"})
    forged = GOOGLES_SAVE_URL + jwt.encode(claims, new_key(), "RS256", {"kid": "development"})

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["X-API-Key"] == "the demo's"
        return web.json_response(state if request.match_info["handle"] == "ada" else {}, status=200)

    app = web.Application()
    app.router.add_get("/v1/passes/{handle}/google", answer)
    async with TestServer(app) as passwright:
        made = {
            "base_url": str(passwright.make_url("")).rstrip("/"), "api_key": "the demo's",
            "pass_handle": "ada", "google_public_key": str(public),
        }  # fmt: skip
        demo.write_text(json.dumps(made))
        shown = await command_line.run("save", link, "--demo", str(demo))
        other = await command_line.run("save", link, "--demo", str(demo), "--handle", "grace")
        refused = await command_line.run("save", forged, "--demo", str(demo))

    assert shown.startswith("Bean Club  (loyalty, Example)\n  Name: Ada\n")
    assert "Not saved: nothing of a development issuer was sent" in shown
    assert other.startswith("refused: The link is of another pass than grace")
    assert refused.startswith("refused: The JWT is invalid")
