"""A fake Google, and an issuer's server that speaks to it over its socket."""

from collections.abc import AsyncIterator

import pytest

from tests.google.server import FakeGoogle
from tests.integration.google.issuer import IssuerServer, an_issuer_server


@pytest.fixture
async def google() -> AsyncIterator[FakeGoogle]:
    """A Google that fetches no images, for documents name what is nowhere."""
    async with FakeGoogle() as fake:
        fake.images.are_fetched = False
        yield fake


@pytest.fixture
async def issuer(google: FakeGoogle) -> AsyncIterator[IssuerServer]:
    async with an_issuer_server(google, google.key_file) as server:
        yield server
