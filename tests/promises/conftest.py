"""What promises are tried on: a whole system of their own, to break and mend."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.promises.faults import a_small_disk
from tests.system import System, a_distributed_system

Figure = Callable[[str], None]
"""Says what was measured, as `tests/promises.md` then shows it."""


@pytest.fixture(scope="session")
async def system() -> AsyncIterator[System]:
    with a_small_disk() as disk:
        async with a_distributed_system(disk) as system:
            yield system


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    return lambda text: record_property("figure", text)
