"""A process that sends to Google is killed at any point: nothing is lost, nothing said twice."""

from typing import Any

import pytest

from tests.google.server import FakeGoogle
from tests.integration.notifier.googling import Googling, object_id

HANDLES = [f"handle{number:02}" for number in range(40)]


def news(googling: Googling, version: int, **fields: Any) -> list[Any]:
    return [
        googling.a_pass(
            handle,
            version=version,
            push_version=version,
            accountName=f"{handle} {version}",
            watched={"offer": (str(version), "New: %@")},
            textModulesData=[{"id": "offer", "header": "Offer", "body": str(version)}],
            **fields,
        )
        for handle in HANDLES
    ]


@pytest.mark.parametrize(
    "point",
    ["google.claimed", "google.claimed:2", "google.sent", "google.sent:7", "google.sent:45"],
)
async def test_a_killed_process_leaves_all_to_be_sent_once(
    googling: Googling, google: FakeGoogle, point: str
):
    await googling.keep(*news(googling, 1))
    await googling.run()
    await googling.save(*HANDLES)
    changed = news(googling, 2)
    await googling.build(*changed)

    code = await googling.run_process(crash_at=point)
    await googling.bring_forward()  # leases are over in half a minute
    left = await googling.run_process()

    assert (code, left) == (-9, 0)
    assert await googling.jobs() == []
    for one in changed:
        there = dict(googling.at_google(one.handle))
        messages = there.pop("messages")
        assert there == one.object_document.body
        assert [message["id"] for message in messages] == ["2"]
        assert len(googling.notices(one.handle)) <= 1
        assert google.objects[object_id(one.handle)].version == 3  # inserted, patched, told


async def test_a_process_killed_amid_inserts_makes_each_object_once(
    googling: Googling, google: FakeGoogle
):
    wanted = news(googling, 1)
    await googling.keep(*wanted)

    code = await googling.run_process(crash_at="google.sent:10")
    await googling.bring_forward()
    await googling.run_process()

    assert code == -9
    assert {id_: one.document for id_, one in google.objects.items()} == {
        one.object_document.id: one.object_document.body for one in wanted
    }
