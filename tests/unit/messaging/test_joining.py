"""Joining: what arrives while a batch is on the way goes together in the next."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.messaging.joining import Joiner


class Gate:
    """Sends batches of numbers, each held until it is let go; the answer is the number doubled."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self._open = asyncio.Semaphore(0)

    def let_go(self, batches: int = 1) -> None:
        for _ in range(batches):
            self._open.release()

    async def send(self, numbers: list[int]) -> Sequence[int | Exception]:
        self.batches.append(numbers)
        await self._open.acquire()
        return [ValueError(n) if n < 0 else 2 * n for n in numbers]


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


def join_all(joiner: Joiner[int, int], numbers: Sequence[int]) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(joiner.join(number)) for number in numbers]


async def test_the_first_goes_at_once_and_the_rest_together():
    gate = Gate()
    joiner = Joiner[int, int](gate.send)

    first = join_all(joiner, [1])
    await settle()
    rest = join_all(joiner, range(2, 12))
    await settle()
    on_the_way = list(gate.batches)
    gate.let_go(2)

    assert on_the_way == [[1]]
    assert await asyncio.gather(*first, *rest) == [2 * n for n in range(1, 12)]
    assert gate.batches == [[1], list(range(2, 12))]


async def test_no_batch_is_longer_than_allowed():
    gate = Gate()
    joiner = Joiner[int, int](gate.send, most=100)
    gate.let_go(9)

    answers = await asyncio.gather(*join_all(joiner, range(450)))

    assert answers == [2 * n for n in range(450)]
    assert [len(batch) for batch in gate.batches] == [100, 100, 100, 100, 50]


async def test_as_many_batches_are_on_the_way_as_allowed():
    gate = Gate()
    joiner = Joiner[int, int](gate.send, in_flight=2)

    joined: list[asyncio.Task[int]] = []
    for number in range(4):
        joined += join_all(joiner, [number])
        await settle()
    on_the_way = list(gate.batches)
    gate.let_go(3)

    assert on_the_way == [[0], [1]]
    assert await asyncio.gather(*joined) == [0, 2, 4, 6]
    assert gate.batches == [[0], [1], [2, 3]]


async def test_an_item_that_failed_alone_fails_alone():
    gate = Gate()
    joiner = Joiner[int, int](gate.send)
    gate.let_go()

    answers = await asyncio.gather(*join_all(joiner, [1, -2, 3]), return_exceptions=True)

    assert [answers[0], answers[2]] == [2, 6]
    assert isinstance(answers[1], ValueError)


async def test_a_batch_that_fails_fails_its_own_items_and_the_next_goes_on():
    async def fail_once(numbers: list[int]) -> list[int | Exception]:
        if numbers == [1]:
            await asyncio.sleep(0.01)
            raise ConnectionError
        return [*numbers]

    joiner = Joiner[int, int](fail_once)
    first = join_all(joiner, [1])
    await settle()
    second = join_all(joiner, [2, 3])

    answers = await asyncio.gather(*first, *second, return_exceptions=True)

    assert isinstance(answers[0], ConnectionError)
    assert answers[1:] == [2, 3]


async def test_what_was_given_up_while_it_waited_is_not_sent():
    gate = Gate()
    joiner = Joiner[int, int](gate.send)
    first = join_all(joiner, [1])
    await settle()
    second = join_all(joiner, [2, 3])
    await settle()

    second[0].cancel()
    await settle()
    gate.let_go(2)

    assert await asyncio.gather(first[0], second[1]) == [2, 6]
    assert gate.batches == [[1], [3]]


async def test_an_answer_of_the_wrong_length_fails_its_items():
    async def forget_one(numbers: list[int]) -> list[int | Exception]:
        return [*numbers[1:]]

    joiner = Joiner[int, int](forget_one)

    async with asyncio.timeout(20):
        answers = await asyncio.gather(*join_all(joiner, [1, 2]), return_exceptions=True)

    assert [type(answer) for answer in answers] == [ValueError, ValueError]


async def test_a_joiner_is_idle_again_after_its_last_batch():
    gate = Gate()
    joiner = Joiner[int, int](gate.send)
    gate.let_go(2)

    answers = [await joiner.join(1), await joiner.join(2)]

    assert answers == [2, 4]
    assert gate.batches == [[1], [2]]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_cancelled_waiter_does_not_stop_the_others(count: int):
    gate = Gate()
    joiner = Joiner[int, int](gate.send)
    joined = join_all(joiner, range(count + 1))
    await settle()

    joined[0].cancel()
    gate.let_go()

    assert await asyncio.gather(*joined[1:]) == [2 * n for n in range(1, count + 1)]


async def test_one_slow_answer_holds_up_only_those_who_wait_for_it():
    slow = asyncio.Event()

    async def send(items: list[str]) -> list[str]:
        if "slow" in items:
            await slow.wait()
        return items

    joiner = Joiner(send, patience=0.01)
    waiting = asyncio.create_task(joiner.join("slow"))
    await asyncio.sleep(0)

    assert await asyncio.wait_for(joiner.join("quick"), 5) == "quick"
    assert not waiting.done()
    slow.set()
    assert await waiting == "slow"
