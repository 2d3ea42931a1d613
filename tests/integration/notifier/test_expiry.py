"""Accounts are warned before the certificates of their passes end."""

from datetime import timedelta

import pytest

from services.notifier.apple.jobs.expiry import warn_of_ends
from shared import clock
from shared.contracts.partners import EVENTS
from tests.integration.notifier.partner import Notifier
from tests.integration.notifier.pushing import Pushing


@pytest.fixture
def pushing(notifier: Notifier) -> Pushing:
    return Pushing(notifier)


async def warn(pushing: Pushing) -> list[int]:
    await warn_of_ends(pushing.notifier.database, pushing.notifier.announce)
    told = await pushing.told("identity.expiring")
    for event in told:
        EVENTS["identity.expiring"].model_validate(event | {"sequence": 1})
        assert event["subject"] == {"kind": "identity", "id": str(pushing.identity_id)}
    return [event["data"]["days"] for event in told]


async def let_pass(pushing: Pushing, days: float) -> None:
    await pushing.notifier.sql(
        "UPDATE identities SET not_after = not_after - $1::interval", timedelta(days=days)
    )


async def test_each_threshold_is_told_once(pushing: Pushing):
    await pushing.keep(not_after=clock.now() + timedelta(days=60.5))
    assert await warn(pushing) == []

    await let_pass(pushing, 1)
    assert await warn(pushing) == [60]
    assert await warn(pushing) == [60]
    await let_pass(pushing, 30)
    assert await warn(pushing) == [60, 30]
    await let_pass(pushing, 23)
    assert await warn(pushing) == [60, 30, 7]
    await let_pass(pushing, 5)
    assert await warn(pushing) == [60, 30, 7]
    await let_pass(pushing, 5)
    assert await warn(pushing) == [60, 30, 7]


async def test_who_comes_late_is_told_the_nearest_threshold_only(pushing: Pushing):
    await pushing.keep(not_after=clock.now() + timedelta(days=20))

    assert await warn(pushing) == [20]
    assert await warn(pushing) == [20]


async def test_a_renewed_identity_is_warned_of_anew(pushing: Pushing):
    await pushing.keep(not_after=clock.now() + timedelta(days=5))
    assert await warn(pushing) == [5]

    await pushing.keep(revision=2, not_after=clock.now() + timedelta(days=70))
    await let_pass(pushing, 1)
    assert await warn(pushing) == [5]
    await let_pass(pushing, 20)
    assert await warn(pushing) == [5, 49]


async def test_what_was_announced_twice_is_warned_of_once(pushing: Pushing):
    end = clock.now() + timedelta(days=20)
    await pushing.keep(not_after=end)
    assert await warn(pushing) == [20]

    await pushing.keep(not_after=end)

    assert await warn(pushing) == [20]


async def test_an_identity_that_a_later_one_replaces_ends_in_peace(pushing: Pushing):
    await pushing.keep(not_after=clock.now() + timedelta(days=5))
    await pushing.keep(revision=2, not_after=clock.now() + timedelta(days=700))

    assert await warn(pushing) == []


async def test_certificates_are_forgotten_after_their_end(pushing: Pushing):
    await pushing.keep(not_after=clock.now() - timedelta(days=31))
    await pushing.keep(revision=2, not_after=clock.now() - timedelta(days=29))

    await warn(pushing)

    rows = await pushing.notifier.sql("SELECT revision FROM identities")
    assert [row["revision"] for row in rows] == [2]
