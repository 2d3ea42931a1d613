"""The private RabbitMQ node keeps what it has confirmed and leaves nothing behind."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest

from deploy.local.rabbitmq import PrivateRabbitMQ

# A quorum queue younger than that is lost with its node (design notes, finding 8).
SAFE_AGE = 2.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PrivateRabbitMQ]:
    node = PrivateRabbitMQ(tmp_path / "rabbitmq")
    node.start()
    yield node
    node.stop()


@pytest.mark.parametrize("kind", ["quorum", "classic"])
async def test_killed_node_returns_at_the_same_url_with_confirmed_messages(
    node: PrivateRabbitMQ, tmp_path: Path, kind: str
):
    before = node.url
    declared = await publish(before, kind)
    async with asyncio.timeout(30):
        while time.monotonic() - declared < SAFE_AGE:
            await asyncio.sleep(0.05)

    node.kill()
    assert processes_of(tmp_path) == []
    after = node.start()

    assert after == before
    assert await receive(after) == b"BLUE-TICKET"


def test_stopped_node_leaves_no_process(node: PrivateRabbitMQ, tmp_path: Path):
    assert processes_of(tmp_path) != []

    node.stop()

    assert processes_of(tmp_path) == []


async def publish(url: str, kind: str) -> float:
    """Leaves one confirmed message in a new queue and tells when the queue was declared."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await channel.declare_queue("turnstile", durable=True, arguments={"x-queue-type": kind})
        declared = time.monotonic()
        message = aio_pika.Message(b"BLUE-TICKET", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "turnstile", timeout=10)
    return declared


async def receive(url: str) -> bytes:
    """Polls, because a quorum queue elects its leader after the port is open."""
    async with asyncio.timeout(60), await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue("turnstile", ensure=False)
        while (message := await queue.get(fail=False)) is None:
            await asyncio.sleep(0.1)
        await message.ack()
        return message.body


def processes_of(folder: Path) -> list[int]:
    """Those whose environment names the folder: node, helpers and epmd."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found
