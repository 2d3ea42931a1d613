"""A limit over all gateways, each with its share."""

import pytest_asyncio

from services.gateway.catalogue.shares import SharedLimit
from shared.database import Database
from tests.integration.gateway.conftest import Gateway

FORGOTTEN = "UPDATE processes SET seen_at = seen_at - interval '6 seconds'"


@pytest_asyncio.fixture
async def database(gateway: Gateway) -> Database:
    """The gateway's, in which no process has beaten yet."""
    async with gateway.context.database.connection() as connection:
        await connection.execute("DELETE FROM processes")
    return gateway.context.database


def admitted(limit: SharedLimit, name: str = "key") -> int:
    return sum(limit.admits(name) for _ in range(30))


async def test_gateways_let_in_their_shares_of_the_limit(database: Database):
    limits = [SharedLimit(database, 10) for _ in range(3)]
    for _ in range(2):
        for limit in limits:
            await limit.beat()

    assert [admitted(limit) for limit in limits] == [3, 3, 3]


async def test_a_gateway_that_leaves_or_dies_leaves_its_share_to_the_others(
    database: Database,
):
    stays, leaves, dies = (SharedLimit(database, 12) for _ in range(3))
    for limit in (stays, leaves, dies):
        await limit.beat()

    await leaves.leave()
    await stays.beat()
    between = admitted(stays, "one key")
    async with database.connection() as connection:
        await connection.execute(FORGOTTEN)
    await stays.beat()

    assert (between, admitted(stays, "another")) == (6, 12)


async def test_a_share_is_never_less_than_one(database: Database):
    limits = [SharedLimit(database, 1) for _ in range(2)]
    for limit in limits:
        await limit.beat()

    assert admitted(limits[1]) == 1


async def test_without_a_limit_nothing_is_counted_and_no_row_written(database: Database):
    limit = SharedLimit(database, 0)
    await limit.beat()

    assert admitted(limit) == 30
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM processes") == 0
