"""A fleet, partners and faults for as long as is wished: `make soak`, PASSWRIGHT_SOAK_MINUTES."""

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import uvloop

from services.demo import TEMPLATE
from tests.apple import AWAY, TOO_MANY, TROUBLE, Answer
from tests.feed import latest, read_feed
from tests.partner import Partner
from tests.system import SERVICES, System, a_distributed_system, poll
from tests.wallet.changes import PHONES, Changer, equip
from tests.wallet.fleet import Fleet, open_fleet

MINUTES = 10.0
LEAST_CHANGES, MAX_CHANGES = 200, 1000
HEALING_SECONDS = 180.0
WEBHOOK_SECONDS = 600.0
PAGE = 4096


@dataclass
class Scene:
    """What runs, and what may be broken."""

    system: System
    session: aiohttp.ClientSession
    fleet: Fleet
    changer: Changer
    partner: Partner
    template: str
    cursor: str
    """Where the event feed was when it began."""


Fault = Callable[[Scene], Awaitable[None]]


async def no_fault(_scene: Scene) -> None:
    """Nothing fails; a soak needs calm rounds too."""


async def kill_a_service(scene: Scene) -> None:
    process = scene.system.processes[random.choice(SERVICES)]
    say(f"  kill -9 {process.name}")
    await asyncio.to_thread(process.kill)
    process.start()


async def stop_a_service(scene: Scene) -> None:
    process = scene.system.processes[random.choice(SERVICES)]
    say(f"  stop {process.name}")
    await asyncio.to_thread(process.stop)
    process.start()


async def stop_the_push_server(scene: Scene) -> None:
    apple = scene.system.apple
    assert apple is not None
    await apple.stop()
    await asyncio.sleep(random.uniform(0.5, 3))
    await apple.start()


async def trouble_at_apple(scene: Scene) -> None:
    """Answer some phones' next pushes with all that Apple may answer."""
    apple = scene.system.apple
    assert apple is not None
    for device in random.sample(scene.fleet.devices, PHONES // 5):
        trouble = random.choice(
            (TOO_MANY, TROUBLE, AWAY, Answer(trick="drop"), Answer(trick="goaway"))
        )
        apple.answers[device.push_token] = [trouble, Answer()]


async def lose_answers(scene: Scene) -> None:
    for device in random.sample(scene.fleet.devices, PHONES // 2):
        device.lose(random.choice(("list", "fetch")), random.randint(1, 3))


async def phones_go_away(scene: Scene) -> None:
    away = random.sample(scene.fleet.devices, PHONES // 3)
    for device in away:
        device.go_offline()
    await asyncio.sleep(random.uniform(1, 4))
    for device in away:
        device.go_online()


async def phones_drop_and_take(scene: Scene) -> None:
    """Throw passes away and take them again."""
    links = {serial: handle for handle, serial in scene.changer.passes}
    for device in random.sample(scene.fleet.devices, PHONES // 10):
        card = random.choice(list(device.cards.values()))
        await device.remove(card)
        await device.install(f"{scene.system.base_url}/p/{links[card.name[1]]}.pkpass")


async def partner_fails(scene: Scene) -> None:
    scene.partner.status = 503
    await asyncio.sleep(random.uniform(0.2, 1))
    scene.partner.status = 200


FAULTS: tuple[Fault, ...] = (
    no_fault,
    kill_a_service,
    stop_a_service,
    stop_the_push_server,
    trouble_at_apple,
    lose_answers,
    phones_go_away,
    phones_drop_and_take,
    partner_fails,
)


async def play_round(scene: Scene, fault: Fault) -> str:
    """Change passes amid a fault; end when every phone is at the newest version."""
    count = random.randint(LEAST_CHANGES, MAX_CHANGES)
    target = scene.changer.acknowledged + count
    started = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scene.changer.change(count))
        await poll(lambda: scene.changer.acknowledged > target - 0.7 * count, "changes", 120)
        await fault(scene)
    changed = time.monotonic()
    await scene.fleet.until_newest(scene.changer.newest, seconds=HEALING_SECONDS)
    await scene.fleet.until_quiet()
    await scene.fleet.verify()
    assert scene.system.apple is not None
    scene.system.apple.heard.clear()
    return (
        f"{count} changes, {count / (changed - started):.0f}/s, "
        f"all phones newest {time.monotonic() - changed:.1f} s later"
    )


@asynccontextmanager
async def set_up() -> AsyncGenerator[Scene]:
    partner = Partner()
    async with a_distributed_system() as system, system.session() as session:
        assert system.apple is not None
        await partner.start()
        cursor = await latest(session)
        async with session.post("/v1/templates", json=TEMPLATE) as response:
            template = (await response.json())["template_id"]
        body = {"url": partner.url, "template_id": template}
        async with session.post("/v1/webhooks", json=body) as response:
            assert response.status == 201, await response.text()
        async with open_fleet(system.root, system.apple) as fleet:
            changer = await equip(system, fleet, session, template)
            yield Scene(system, session, fleet, changer, partner, template, cursor)
        await partner.stop()


async def soak(minutes: float) -> None:
    deadline = time.monotonic() + minutes * 60
    say("starting PostgreSQL, RabbitMQ, five processes, a push server and a hundred phones …")
    async with set_up() as scene:
        number = 0
        while time.monotonic() < deadline:
            number += 1
            fault = random.choice(FAULTS)
            say(f"round {number}, {fault.__name__.replace('_', ' ')}")
            say(f"  {await play_round(scene, fault)}")
            say(f"  {figures(scene)}")

        async def all_told() -> bool:
            told = await read_feed(scene.session, scene.cursor, scene.template)
            return scene.partner.ids.keys() == told.keys()

        await poll(all_told, "all webhooks", WEBHOOK_SECONDS)
        say(f"{number} rounds, {scene.changer.acknowledged} changes, nothing lost")


def figures(scene: Scene) -> str:
    pushes = scene.fleet.pushes.total()
    memory = ", ".join(
        f"{name} {resident(process.running.pid):.0f}"
        for name, process in scene.system.processes.items()
        if process.running is not None
    )
    return f"{pushes} pushes, {len(scene.partner.ids)} webhooks; MiB: {memory}"


def resident(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * PAGE / 2**20


def say(text: Any) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    minutes = os.environ.get("PASSWRIGHT_SOAK_MINUTES", MINUTES)  # noqa: TID251 - no settings here
    uvloop.run(soak(float(minutes)))


if __name__ == "__main__":
    main()
