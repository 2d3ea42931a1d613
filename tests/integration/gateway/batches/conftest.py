"""A gateway with owners of passes and members, and a template."""

import pytest
import pytest_asyncio

from tests.integration.gateway.batches.batching import People
from tests.integration.gateway.conftest import (
    AnAccount,
    Gateway,
)
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


@pytest_asyncio.fixture
async def people(owners: Owners) -> People:
    return People(owners)


@pytest_asyncio.fixture
async def template_id(an_account: AnAccount) -> str:
    return await make_template(an_account)


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in doubt are done again soon."""
    monkeypatch.setattr("services.gateway.catalogue.batches.LEASE_SECONDS", 0.2)
