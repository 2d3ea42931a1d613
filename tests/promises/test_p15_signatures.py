"""Promise 15: the libraries of Standard Webhooks verify what we post, and nothing that differs."""

import base64
import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.identifiers import new_id
from tests.integration.notifier.partner import (
    a_notifier,
    a_partner,
    an_endpoint,
    an_event,
)
from tests.promises.conftest import Figure
from tests.promises.register import HERE

ACCOUNT = new_id()
EVENTS: Final = 1000
SEED: Final = 15
INSTALL: Final = ("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
ID, TIME, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
ALPHABETS: Final = (
    "abcdefghijklmnopqrstuvwxyz0123456789",
    " \t\r\n\"'\\/<>&{}[]",
    "äß€漢字🎫\u200b\u200d\u2028\ufeff\x7f",
)

Verify = Callable[[Sequence["Post"]], list[bool]]
"""Which of some posts a library finds genuine."""


@dataclass(frozen=True)
class Post:
    """What a receiver verifies."""

    secret: str
    headers: dict[str, str]
    body: str

    def with_header(self, name: str, value: str) -> "Post":
        return replace(self, headers=self.headers | {name: value})


async def test_python_verifies_every_delivery_and_none_that_was_altered(
    fresh_database: str, figure: Figure
):
    figure("Python: " + try_library(verify_in_python, await deliver(fresh_database)))


async def test_javascript_verifies_every_delivery_and_none_that_was_altered(
    fresh_database: str, tmp_path: Path, figure: Figure
):
    verify_in_javascript = a_javascript_library(tmp_path)

    figure("JavaScript: " + try_library(verify_in_javascript, await deliver(fresh_database)))


def try_library(verify: Verify, posts: Sequence[Post]) -> str:
    """Have a library judge posts as they came, and altered in each part."""
    chance = random.Random(SEED)
    changed = [one for post, other in pairwise(posts) for one in altered(post, other, chance)]

    assert verify(posts) == [True] * EVENTS
    assert verify(changed) == [False] * len(changed)
    return f"{len(posts):,} random bodies verified, {len(changed):,} altered posts refused"


async def deliver(database: str) -> list[Post]:
    """Random events as a receiver gets them over its socket."""
    chance = random.Random(SEED)
    async with a_notifier(database) as notifier, a_partner() as partner:
        made = await notifier.create(an_endpoint(ACCOUNT, f"{partner.url}/a"))
        await notifier.log(
            *(
                an_event(ACCOUNT, "create", handle=a_text(chance), data={"values": values(chance)})
                for _ in range(EVENTS)
            )
        )
        await notifier.run()
    return [
        Post(made.secret, {name: one.headers[name] for name in (ID, TIME, SIGNATURE)}, one.body)
        for one in partner.heard
    ]


def altered(post: Post, other: Post, chance: random.Random) -> Iterable[Post]:
    """Change each part by itself, and as little as can be."""
    place = chance.randrange(len(post.body))
    character = chr(ord(post.body[place]) ^ 1)
    yield replace(post, body=post.body[:place] + character + post.body[place + 1 :])
    yield replace(post, body=post.body[:place] + post.body[place + 1 :])
    yield replace(post, body=post.body + " ")
    yield replace(post, body=other.body)
    yield post.with_header(ID, other.headers[ID])
    yield post.with_header(ID, post.headers[ID] + "0")
    yield post.with_header(TIME, str(int(post.headers[TIME]) + 1))
    yield post.with_header(TIME, str(int(post.headers[TIME]) - 1))
    yield post.with_header(SIGNATURE, other.headers[SIGNATURE])
    yield post.with_header(SIGNATURE, with_a_bit_turned(post.headers[SIGNATURE], chance))
    yield replace(post, secret="whsec_" + base64.b64encode(chance.randbytes(32)).decode())


def with_a_bit_turned(signature: str, chance: random.Random) -> str:
    version, _, written = signature.partition(",")
    mac = bytearray(base64.b64decode(written))
    mac[chance.randrange(len(mac))] ^= 1 << chance.randrange(8)
    return f"{version},{base64.b64encode(mac).decode()}"


def verify_in_python(posts: Sequence[Post]) -> list[bool]:
    return [is_genuine(post) for post in posts]


def is_genuine(post: Post) -> bool:
    try:
        Webhook(post.secret).verify(post.body, post.headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


def a_javascript_library(folder: Path) -> Verify:
    """The official one for Node.js, installed anew; the test is skipped where that cannot be."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs Node.js and npm")
    shutil.copytree(HERE / "javascript", folder, dirs_exist_ok=True)
    installed = subprocess.run(INSTALL, cwd=folder, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install the library: {installed.stderr[-200:]}")

    def verify(posts: Sequence[Post]) -> list[bool]:
        lines = "\n".join(json.dumps(asdict(post)) for post in posts)
        found = subprocess.run(
            ("node", "verify.js"), cwd=folder, input=lines, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        return [json.loads(line) for line in found.stdout.splitlines()]

    return verify


def values(chance: random.Random) -> dict[str, Any]:
    """From none at all to more than fits into a body."""
    longest = chance.choice((0, 10, 200, 3000))
    return {
        a_text(chance): a_text(chance, longest) if chance.random() < 0.9 else chance.random()
        for _ in range(chance.randrange(30))
    }


def a_text(chance: random.Random, longest: int = 20) -> str:
    return "".join(
        chance.choice(chance.choice(ALPHABETS)) for _ in range(chance.randrange(longest + 1))
    )
