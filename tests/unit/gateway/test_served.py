from datetime import UTC, datetime
from uuid import UUID

from services.gateway.catalogue.served import ServedContent, ServedContents
from services.gateway.domain import Standing

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_content(serial_number: str = "s1", number: int = 1) -> ServedContent:
    return ServedContent(
        "handle", UUID(int=1), UUID(int=2), serial_number, "pass.example", number, Standing(1, 1),
        number, NOON,
    )  # fmt: skip


def test_the_content_served_last_is_remembered():
    served = ServedContents()
    served.remember(a_content(number=2))
    served.remember(a_content(number=1))  # an answer that was slow

    assert served.find("s1") == a_content(number=2)
    assert served.find("s2") is None


def test_only_so_many_contents_are_remembered():
    served = ServedContents(most=2)
    for serial_number in ("s1", "s2", "s1", "s3"):
        served.remember(a_content(serial_number))

    assert [bool(served.find(s)) for s in ("s1", "s2", "s3")] == [True, False, True]
