"""Every event has a way to everyone who wants it."""

import pytest

from shared.contracts.message import CatalogueEvent
from shared.contracts.services import LISTENERS
from shared.messaging.topology import (
    EVENT_QUEUES,
    LANES,
    MAX_ATTEMPTS,
    RETRY_DELAYS,
    ROUTES,
    owner_of,
    retry_delay,
)


@pytest.mark.parametrize("lane", LANES)
def test_every_event_has_a_queue_at_each_listener(lane: str):
    for service, events in LISTENERS.items():
        for event in events:
            queues = [
                q for (n, w), qs in ROUTES.items() if (n, w) == (event.name, lane) for q in qs
            ]
            assert [EVENT_QUEUES[queue] for queue in queues].count(service) == 1


def test_catalogue_events_have_queues_of_their_own():
    for events in LISTENERS.values():
        for event in events:
            for lane in LANES:
                own = {queue.endswith(".catalogue") for queue in ROUTES[event.name, lane]}
                assert own == {issubclass(event, CatalogueEvent)}


def test_every_route_ends_in_a_queue_somebody_reads():
    assert {queue for queues in ROUTES.values() for queue in queues} <= set(EVENT_QUEUES)


def test_an_owner_is_the_first_word_and_must_be_a_service():
    assert owner_of("member.save_member.v1") == "member"
    with pytest.raises(ValueError, match="stranger"):
        owner_of("stranger.save.v1")


def test_retries_wait_ever_longer_and_end():
    delays = [retry_delay(attempts) for attempts in range(1, MAX_ATTEMPTS + 1)]

    assert delays == sorted(delays)
    assert set(delays) == set(RETRY_DELAYS)
