import asyncio

import pytest

from shared.messaging import precedence
from shared.messaging.precedence import Precedence

pauses: list[float] = []


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    async def note(seconds: float) -> None:
        pauses.append(seconds)

    pauses.clear()
    monkeypatch.setattr(precedence.asyncio, "sleep", note)


async def receive(items: list[str]) -> None:
    await asyncio.to_thread(items.append, "received")


async def test_bulk_work_pauses_while_people_wait_for_something():
    lanes = Precedence()

    await lanes.first(receive)(["scan"])
    await lanes.behind(receive)(["rows"])

    assert len(pauses) == 1
    assert 0 < pauses[0] <= precedence.MAX_PAUSE_SECONDS


async def test_bulk_work_alone_does_not_pause():
    lanes = Precedence()

    await lanes.behind(receive)(["rows"])
    await lanes.first(receive)(["scan"])

    assert pauses == []


async def test_what_is_received_is_handed_on():
    lanes, scans, rows = Precedence(), ["scan"], ["rows"]

    await lanes.first(receive)(scans)
    await lanes.behind(receive)(rows)

    assert (scans, rows) == (["scan", "received"], ["rows", "received"])
