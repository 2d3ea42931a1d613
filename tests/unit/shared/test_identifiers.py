"""Ids that are made of others, and what they tell of when they were made."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared import clock
from shared.identifiers import id_of_handle, moment_of, new_handle, new_id


def test_a_handle_has_one_id_which_is_as_old_as_the_handle():
    handles = [new_handle() for _ in range(100)]

    ids = {id_of_handle(handle) for handle in handles}

    assert ids == {id_of_handle(handle) for handle in handles}
    assert len(ids) == len(handles)
    assert all(abs(moment_of(one) - clock.now()) < timedelta(seconds=5) for one in ids)


def test_an_id_that_does_not_tell_its_time_is_as_old_as_can_be():
    assert abs(moment_of(new_id()) - clock.now()) < timedelta(seconds=5)
    assert moment_of(UUID(int=2**128 - 1)) == datetime.fromtimestamp(0, UTC)
