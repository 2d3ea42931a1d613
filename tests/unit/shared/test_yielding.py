import asyncio

from shared.yielding import yielding


async def test_all_rows_come_in_their_order():
    assert [row async for row in yielding(range(50), most=16)] == list(range(50))
    assert [row async for row in yielding(range(0))] == []


async def test_others_have_their_turn_between_rows():
    looks = 0

    async def look() -> None:
        nonlocal looks
        while True:
            looks += 1
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    seen = [looks async for _ in yielding(range(40), most=10)]
    looking.cancel()

    assert len(set(seen)) == 4


async def test_long_lists_take_turns():
    order: list[str] = []

    async def work(name: str) -> None:
        async for row in yielding(range(20), most=10):
            order.append(f"{name}{row // 10}")  # noqa: PERF401 - when each comes is the question

    await asyncio.gather(work("a"), work("b"))

    assert order == ["a0"] * 10 + ["b0"] * 10 + ["a1"] * 10 + ["b1"] * 10
