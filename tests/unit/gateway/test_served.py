from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.gateway.catalogue.served import FACTS_BYTES, ServedContent, ServedContents
from services.gateway.domain import Standing
from shared.contracts.generator import Content

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_content(number: int = 1, pass_json: bytes = b"") -> ServedContent:
    content = Content(
        handle="handle", content_number=number, pass_version=number, last_modified=NOON,
        not_modified=not pass_json, pass_json=pass_json,
    )  # fmt: skip
    return ServedContent(
        "handle",
        number,
        UUID(int=1),
        UUID(int=2),
        "serial",
        None,
        Standing(1, 1, 1, "+00:00"),
        content,
    )


def test_the_content_served_last_is_remembered():
    served = ServedContents()
    served.remember("one", a_content(2))
    served.remember("one", a_content(1))  # an answer that was slow

    assert served.find("one") == a_content(2)
    assert served.find("two") is None


def test_only_so_many_bytes_are_remembered():
    served = ServedContents(2 * FACTS_BYTES + 10)
    for name in ("one", "two", "one", "three"):
        served.remember(name, a_content())
    served.remember("long", a_content(1, b"{}" * FACTS_BYTES))

    assert [bool(served.find(name)) for name in ("one", "two", "three", "long")] == [
        True, False, True, False,
    ]  # fmt: skip


def test_who_has_a_content_of_its_time_or_later_has_it():
    second = timedelta(seconds=1)
    given = (NOON, NOON + second, NOON - second, None)

    assert [a_content().is_known_since(m) for m in given] == [True, True, False, False]
