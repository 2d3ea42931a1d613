"""The rules of devices: tags, news taken together, manual updates."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from services.notifier.apple.domain.devices import (
    Copies,
    KnownPass,
    fold_news,
    manual_updates,
    parse_cursor,
)
from shared.contracts.generator import BuiltContent
from shared.contracts.notifier import NoteFetch
from shared.identifiers import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("since", "tag"), [("0", 0), ("17", 17), (str(2**63 - 1), 2**63 - 1)])
def test_tag_that_was_given_out_is_read(since: str, tag: int):
    assert parse_cursor(since) == tag


@pytest.mark.parametrize("since", [None, "", " 1", "+1", "-1", "1.0", "٣", "1e3", str(2**63)])
def test_what_cannot_be_a_tag_counts_as_absent(since: str | None):
    assert parse_cursor(since) is None


def test_first_contents_are_nobodys_news():
    assert fold_news([a_content(1), a_content(1, handle="other")]) == []


@pytest.mark.parametrize("turned", [True, False])
def test_contents_of_one_pass_are_taken_together(*, turned: bool):
    contents = [a_content(2, since=2, push=2), a_content(3, version=5, since=4, push=0)]

    [news] = fold_news(reversed(contents) if turned else contents)

    assert (news.content_number, news.pass_version) == (3, 5)
    assert (news.since_version, news.push_version) == (2, 2)


def test_content_that_does_not_say_since_when_is_as_new_as_its_version():
    [news] = fold_news([a_content(2, version=7)])

    assert news.since_version == 7


@pytest.mark.parametrize(
    ("content", "first", "older"), [(0, 0, False), (1, 0, False), (2, 0, True), (2, 1, True),
                                    (2, 2, False), (2, 3, False), (5, 2, True)]
)  # fmt: skip
def test_older_copies_may_be_about_unless_all_that_left_was_the_newest(
    content: int, first: int, *, older: bool
):
    assert KnownPass(content, first, is_deleted=False).has_older_copies == older


def test_fetch_is_manual_only_if_nobody_was_awaited_and_the_bytes_are_no_repeat():
    awaited, repeated, unasked, unchanged = (
        a_fetch(2, at=0), a_fetch(2, at=1), a_fetch(3, at=2), a_fetch(3, at=3, status=304),
    )  # fmt: skip
    public = a_fetch(4, at=4, source="public")

    found = manual_updates(
        [unchanged, public, unasked, repeated, awaited, a_fetch(4, at=5)],
        {"handle": 1}, {"handle": Copies(4, 1, 1)},
    )  # fmt: skip

    assert found == [unasked, unchanged]


def a_content(
    number: int, *, handle: str = "handle", version: int = 0, since: int = 0, push: int = 0
) -> BuiltContent:
    return BuiltContent(
        handle=handle, account_id=new_id(), template_id=new_id(), content_number=number,
        pass_version=version or number, push_version=push, last_modified=NOW, since_version=since,
    )  # fmt: skip


def a_fetch(
    number: int, *, at: int, status: Literal[200, 304] = 200,
    source: Literal["device", "public"] = "device",
) -> NoteFetch:  # fmt: skip
    return NoteFetch(
        account_id=new_id(), template_id=new_id(), handle="handle", pass_type_identifier="pass.a",
        serial_number="s", content_number=number, pass_version=number, status=status,
        source=source, at=NOW + timedelta(seconds=at),
    )  # fmt: skip
