"""Google Wallet on the command line: Google's side, and a holder's."""

import argparse
import asyncio
import json
import shlex
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from shared.command_line import CommandParser
from tests.google.errors import LinkError
from tests.google.holders import HOLDER
from tests.google.server import ISSUER, FakeGoogle
from tests.google.unsent import show_unsent
from tests.sockets import Identity

PORT = 8443
EXPLANATION = f"""\
  serve          be Google, until Ctrl-C: print the settings of Passwright for it, and each request
  save LINK      open a save link, show the card, save it; without `serve`, show the card of a
                 development issuer's link, by what Passwright keeps of it
  remove OBJECT  throw a card away
  watch          show each card that somebody has when it changes, and if they were notified

`serve` keeps in its folder a service account that the issuer {ISSUER} has invited, for whatever
is to be tried on it: service_account.json; root.pem is the certificate to trust."""


async def serve(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    identity = Identity.kept(folder / "server.pem", "Fake Google")
    google = FakeGoogle(arguments.port, identity)
    google.images.are_fetched = not arguments.any_image
    google.requests_a_second = arguments.limit or None
    google.switches.review = arguments.review
    google.switches.takes_merchant_locations = arguments.merchant_locations
    for email, key_id, path in arguments.invite:
        key = load_pem_public_key(Path(path).read_bytes())
        if not isinstance(key, RSAPublicKey):
            raise SystemExit(f"{path} holds no RSA key")
        google.accounts.add(email, email, key_id, key)
        google.issuer(arguments.issuer).invited.add(email)
    _keep_account(google, folder / "service_account.json", arguments.issuer)
    google.listeners.append(say)
    async with google:
        for name, value in google.settings(folder / "root.pem").items():
            say(f"export {name}={shlex.quote(value)}")
        await asyncio.Event().wait()


def _keep_account(google: FakeGoogle, path: Path, issuer: str) -> None:
    """Invite the account of a file, made when there is none; only its owner may read it."""
    if path.exists():
        key_file = json.loads(path.read_text()) | {"token_uri": google.token_url}
        google.issuer(issuer).invited.add(google.accounts.add_file(key_file).email)
    else:
        path.touch(mode=0o600)
        key_file = google.invite("an-issuer", issuer)
    path.write_text(json.dumps(key_file, indent=2))


async def save(arguments: argparse.Namespace) -> None:
    """Save a card; where nobody stands for Google, nothing was sent: show what would have been."""
    token = arguments.name.rpartition("/")[2]
    try:
        await _ask("POST", f"/gp/v/save/{token}", arguments)
    except OSError:
        if not arguments.demo.exists():
            raise
        try:
            say(await show_unsent(arguments.name, arguments.demo, arguments.handle))
        except LinkError as error:
            raise SystemExit(f"refused: {error}") from None
        say("\nNot saved: nothing of a development issuer was sent to Google.")


async def remove(arguments: argparse.Namespace) -> None:
    await _ask("DELETE", f"/cards/{arguments.name}", arguments)


async def watch(arguments: argparse.Namespace) -> None:
    await _ask("GET", "/cards", arguments)


async def _ask(method: str, path: str, arguments: argparse.Namespace) -> None:
    """Let the fake that listens do something for a holder, and print what it says as it comes."""
    trusted = ssl.create_default_context(cafile=arguments.folder / "root.pem")
    forever = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(f"https://localhost:{arguments.port}") as http,
        http.request(
            method, path, params={"holder": arguments.holder}, ssl=trusted, timeout=forever
        ) as response,
    ):
        if response.status != 200:
            raise SystemExit(f"refused: {await response.text()}")
        async for line in response.content:
            say(line.decode().rstrip("\n"))


COMMANDS = {"serve": serve, "save": save, "remove": remove, "watch": watch}
NAMING = ("save", "remove")


def say(text: object) -> None:
    print(text, flush=True)


def read(words: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser(
        prog="python -m tests.google",
        description=__doc__,
        epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("name", nargs="?", metavar="LINK|OBJECT")
    parser.add_argument("--port", type=int, default=PORT, help=f"where it listens ({PORT})")
    parser.add_argument("--folder", type=Path, default=Path(".data/google"),
                        help="where its files lie (.data/google)")  # fmt: skip
    parser.add_argument("--holder", default=HOLDER, metavar="EMAIL", help="who saves or removes")
    parser.add_argument("--demo", type=Path, default=Path(".data/demo.json"), metavar="FILE",
                        help="save: what make run has made (.data/demo.json)")  # fmt: skip
    parser.add_argument("--handle", help="save: which pass the link is of (the demo's)")
    parser.add_argument("--issuer", default=ISSUER, help=f"serve: the issuer's id ({ISSUER})")
    parser.add_argument("--invite", nargs=3, action="append", default=[],
                        metavar=("EMAIL", "KEY_ID", "FILE"),
                        help="serve: invite an account with this public key")  # fmt: skip
    parser.add_argument("--limit", type=int, default=20, metavar="COUNT",
                        help="serve: requests a second of a project (20; 0: all)")  # fmt: skip
    parser.add_argument("--review", choices=("approve", "refuse", "wait"), default="approve",
                        help="serve: what becomes of classes (approve)")  # fmt: skip
    parser.add_argument("--any-image", action="store_true", help="serve: fetch no images")
    parser.add_argument("--merchant-locations", action="store_true",
                        help="serve: take merchantLocations")  # fmt: skip
    arguments = parser.parse_intermixed_args(words)
    if (arguments.command in NAMING) != (arguments.name is not None):
        parser.error("save takes a link, remove the id of an object, the others nothing")
    return arguments


def main(words: Sequence[str] | None = None) -> None:
    arguments = read(sys.argv[1:] if words is None else words)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(COMMANDS[arguments.command](arguments))
    except (OSError, ValueError) as error:  # nobody listens, or a file that is none
        raise SystemExit(f"cannot be used: {error}") from None


if __name__ == "__main__":
    main()
