"""A phone on the command line, which installs passes from their links."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from shared.command_line import CommandParser
from tests.apple import PushServer
from tests.wallet import store
from tests.wallet.calls import Caller, Exchange, LostError
from tests.wallet.device import Card, Device, RefusedError
from tests.wallet.files import InvalidPassError

DATA = Path(".data")
STYLES = ("storeCard", "coupon", "eventTicket", "boardingPass", "generic", "posterGeneric")
EXPLANATION = """\
The demo of `make run` has a pass for it:

  . .data/demo.env
  .venv/bin/python -m tests.wallet install "$PASSWRIGHT_URL/p/$HANDLE"

The phone is kept in .data/wallet.json between commands; every call it makes is printed.

  install LINK…    take passes from their links, check and verify them, register
  show             print what the phone holds
  update           list what is new and fetch it, as after a push
  refresh [SERIAL] pull passes down: fetch without being told
  remove SERIAL    throw a pass away and unregister
  log TEXT…        send lines to the passes' servers

To be pushed, let the server push to this phone:

  .venv/bin/python -m tests.wallet install --watch --push-port 2197 "$PASSWRIGHT_URL/p/$HANDLE"

prints the two settings with which `make run` has to be started, once and for all."""


async def run(arguments: argparse.Namespace) -> None:
    """Do what was asked with the phone that is kept."""
    root = arguments.root if arguments.root.exists() else None
    if root is None:
        say(f"there is no {arguments.root}: signatures are not verified")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        device = Device(Caller(http, on_exchange=tell), root)
        store.load(device, arguments.wallet)

        def keep(card: Card) -> None:
            say("the pass changed:")
            show(card)
            store.save(device, arguments.wallet)

        device.on_change = keep
        try:
            await COMMANDS[arguments.command](device, arguments.names)
            store.save(device, arguments.wallet)
            if arguments.watch:
                await watch(device, arguments)
        finally:
            await device.close()
            store.save(device, arguments.wallet)
    for complaint in device.complaints:
        say(f"the server's mistake: {complaint}")


async def install(device: Device, links: Sequence[str]) -> None:
    for link in links:
        show(await device.install(link))


async def show_all(device: Device, _names: Sequence[str]) -> None:
    say(f"device {device.device_id}, push token {device.push_token}")
    for card in device.cards.values():
        show(card)


async def update(device: Device, topics: Sequence[str]) -> None:
    for topic in topics or sorted({topic for topic, _ in device.cards}):
        await device.on_push(topic)


async def refresh(device: Device, serials: Sequence[str]) -> None:
    for card in chosen(device, serials):
        await device.refresh(card)


async def remove(device: Device, serials: Sequence[str]) -> None:
    if not serials:
        raise SystemExit("which pass? `show` prints the serial numbers")
    for card in chosen(device, serials):
        await device.remove(card)


async def log(device: Device, lines: Sequence[str]) -> None:
    for service in sorted({card.service for card in device.cards.values()}):
        await device.log(lines, service)


COMMANDS = {
    "install": install,
    "show": show_all,
    "update": update,
    "refresh": refresh,
    "remove": remove,
    "log": log,
}


async def watch(device: Device, arguments: argparse.Namespace) -> None:
    """Follow pushes until Ctrl-C; without a port to be pushed at, look every few seconds."""
    if arguments.push_port is None:
        while True:
            await update(device, [])
            await asyncio.sleep(arguments.every)
    kept = arguments.wallet.with_name("push_server.pem")
    apple = PushServer(arguments.root.read_text(), port=arguments.push_port, kept=kept)
    apple.listeners.append(
        lambda push: device.receive_push(push.topic) if push.token == device.push_token else None
    )
    await apple.start()
    certificate = arguments.wallet.with_name("push_root.pem")
    certificate.write_bytes(apple.root)
    say(f"PASSWRIGHT_PUSH_SERVER={apple.url} PASSWRIGHT_PUSH_ROOT={certificate.resolve()}")
    try:
        await asyncio.Event().wait()
    finally:
        await apple.stop()


def chosen(device: Device, serials: Sequence[str]) -> list[Card]:
    """Find passes by how their serial numbers begin; all without any."""
    cards = [
        card
        for (_, serial), card in device.cards.items()
        if not serials or serial.startswith(tuple(serials))
    ]
    if not cards:
        raise SystemExit("the phone holds no such pass")
    return cards


def show(card: Card) -> None:
    content = card.content
    state = "registered" if card.is_registered else "not registered"
    if card.is_dead:
        state = "refused by its server"
    say(f"{content['organizationName']}: {content['description']}, {state}")
    say(f"  serial number {card.name[1]} of {card.name[0]}")
    for field in fields_of(content):
        say(f"  {field.get('label') or field['key']}: {field['value']}")


def fields_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    """List the fields of a pass, whatever its style."""
    styles: list[dict[str, Any]] = [content[style] for style in STYLES if style in content]
    groups = [group for style in styles for name, group in style.items() if name.endswith("Fields")]
    return [field for group in groups for field in group]


def tell(exchange: Exchange) -> None:
    say(f"{exchange}")


def say(text: str) -> None:
    print(text, flush=True)


def read(words: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser(
        prog="python -m tests.wallet",
        description=__doc__,
        epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("names", nargs="*", metavar="LINK|SERIAL|TEXT")
    parser.add_argument("--wallet", type=Path, default=DATA / "wallet.json", metavar="FILE")
    parser.add_argument("--root", type=Path, default=DATA / "development_root.pem", metavar="FILE",
                        help="the root certificate of the passes' signatures")  # fmt: skip
    parser.add_argument("--watch", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--push-port", type=int, metavar="PORT",
                        help="with --watch: be Apple's push server on this port")  # fmt: skip
    parser.add_argument("--every", type=float, default=5, metavar="SECONDS",
                        help="with --watch and no port: look so often")  # fmt: skip
    return parser.parse_intermixed_args(words)


def main(words: Sequence[str] | None = None) -> None:
    arguments = read(sys.argv[1:] if words is None else words)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(run(arguments))
    except (RefusedError, InvalidPassError) as error:
        raise SystemExit(f"refused: {error}") from None
    except LostError as error:
        raise SystemExit(f"no answer: {error}") from None
    except (OSError, ValueError) as error:  # a link, a file or a folder that is none
        raise SystemExit(f"cannot be used: {error}") from None


if __name__ == "__main__":
    main()
