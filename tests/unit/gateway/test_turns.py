import asyncio
from uuid import UUID

from services.gateway.catalogue.turns import Turns

SLOW, QUICK = UUID(int=1), UUID(int=2)


async def test_account_whose_servers_hang_holds_up_only_itself():
    turns = Turns(total=3, each=2)
    released = asyncio.Event()
    done: list[str] = []

    async def take(account_id: UUID, name: str, *, hangs: bool) -> None:
        async with turns.turn(account_id):
            if hangs:
                await released.wait()
            done.append(name)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(take(SLOW, f"slow {number}", hangs=True))
        await asyncio.gather(*(take(QUICK, "quick", hangs=False) for _ in range(5)))
        early = list(done)
        released.set()

    assert early == ["quick"] * 5
    assert len(done) == 25


async def test_waiting_that_is_given_up_takes_no_turn():
    turns = Turns(total=1, each=1)
    async with turns.turn(SLOW):
        waiting = [asyncio.create_task(turns.turn(QUICK).__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async with asyncio.timeout(10), turns.turn(QUICK):
        pass
