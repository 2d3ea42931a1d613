import asyncio
from uuid import UUID

import pytest

from services.triggers.handlers import catalogue
from shared.contracts.member import Member, MembersChanged
from tests.integration.triggers.life import (
    OTHER_ACCOUNT,
    Life,
    a_creation,
    a_member,
    a_template,
    create_in,
    until_somebody_waits,
)


async def test_pass_shows_its_members_facts(life: Life):
    handle = await life.issued(member=a_member(name="Ann", points=3, phone="1"))

    [issued] = await life.read(handle)
    assert issued.member_id == "ann"
    assert issued.member == {
        "name": "Ann",
        "email": None,
        "points": 3,
        "tier": None,
        "external_id": None,
    }


async def test_members_change_reaches_all_its_passes(life: Life):
    handles = [await life.issued(member=a_member(name="Ann")) for _ in range(3)]
    bystander = await life.issued(member=a_member(member_id="bob", name="Bob"))

    await life.follow(a_member(2, name="Anne"))

    assert [p.handle for p in life.changed()] == sorted(handles)
    assert [(p.version, p.push_version, (p.member or {})["name"]) for p in life.changed()] == [
        (2, 2, "Anne")
    ] * 3
    [_, event] = await life.timeline(handles[0])
    assert event.data == {"cause": "member", "changes": {"member_name": [None, None]}}
    assert (await life.read(bystander))[0].version == 1


async def test_older_change_of_a_member_is_dropped(life: Life):
    handle = await life.issued(member=a_member(3, name="Anne"))

    await life.follow(a_member(2, name="Ann"))

    assert life.told == []
    assert ((await life.read(handle))[0].member or {})["name"] == "Anne"


async def test_newest_of_several_changes_wins_whatever_their_order(life: Life):
    handle = await life.issued(member=a_member(name="Ann"))

    await life.follow(a_member(4, name="Anna"), a_member(3, name="Anne"))

    [changed] = life.changed()
    assert (changed.handle, changed.version, (changed.member or {})["name"]) == (handle, 2, "Anna")


async def test_change_that_passes_do_not_show_changes_nothing(life: Life):
    handle = await life.issued(member=a_member(name="Ann"))

    await life.follow(a_member(2, name="Ann", phone="42"))

    assert life.told == []
    assert (await life.read(handle))[0].version == 1


async def test_deleted_members_facts_leave_its_passes(life: Life):
    handle = await life.issued(member=a_member(name="Ann", email="ann@example.org"))

    await life.follow(a_member(2, deleted=True))

    [changed] = life.changed()
    assert (changed.handle, changed.version, changed.member) == (handle, 2, None)
    assert (await life.read(handle))[0].member is None


async def test_pass_issued_with_an_older_member_shows_the_newest(life: Life):
    await life.follow(a_member(5, name="Anne"))

    handle = await life.issued(member=a_member(4, name="Ann"))

    assert ((await life.read(handle))[0].member or {})["name"] == "Anne"


async def test_pass_issued_to_a_deleted_member_shows_nothing_of_it(life: Life):
    await life.follow(a_member(5, deleted=True))

    handle = await life.issued(member=a_member(4, name="Ann"))

    assert (await life.read(handle))[0].member is None


async def test_newer_member_in_a_creation_reaches_its_other_passes(life: Life):
    first = await life.issued(member=a_member(1, name="Ann"))

    second = await life.issued(member=a_member(2, name="Anne"))

    assert [(p.handle, p.version) for p in life.changed()] == [(first, 2), (second, 1)]
    passes = await life.read(first, second)
    assert [(p.member or {})["name"] for p in passes] == ["Anne", "Anne"]


async def test_creations_of_one_batch_show_the_newest_of_their_member(life: Life):
    old = a_creation(member=a_member(1, name="Ann"))
    new = a_creation(member=a_member(2, name="Anne"))

    await life.create(new, old)

    passes = await life.read(old.handle, new.handle)
    assert [(p.member or {})["name"] for p in passes] == ["Anne", "Anne"]


@pytest.mark.parametrize("heard_of", [[], [a_member(1, name="Ann")]])
async def test_member_changed_while_its_pass_is_created_reaches_the_pass(
    life: Life, heard_of: list[Member]
):
    await life.follow(*heard_of)
    command = a_creation(member=a_member(1, name="Ann"))

    async with life.database.work() as creating:
        await create_in(creating, life, command)
        following = asyncio.create_task(life.follow(a_member(2, name="Anne")))
        await until_somebody_waits(life.database)
    await following

    assert [(p.handle, p.version) for p in life.changed()] == [(command.handle, 2)]
    assert ((await life.read(command.handle))[0].member or {})["name"] == "Anne"


@pytest.mark.parametrize("heard_of", [[], [a_member(1, name="Ann")]])
async def test_pass_created_while_its_member_changes_shows_the_change(
    life: Life, heard_of: list[Member]
):
    await life.follow(*heard_of)
    command = a_creation(member=a_member(1, name="Ann"))

    async with life.database.work() as following:
        changed = MembersChanged(members=[a_member(2, name="Anne")])
        await catalogue.follow_members([changed], following, cache=life.cache)
        creating = asyncio.create_task(life.create(command))
        await until_somebody_waits(life.database)
    await creating

    [issued] = await life.read(command.handle)
    assert (issued.version, (issued.member or {})["name"]) == (1, "Anne")


async def test_many_members_change_while_their_passes_are_created(life: Life):
    members = [f"m{n}" for n in range(10)]
    creations = [a_creation(member=a_member(1, m, points=1)) for m in members for _ in range(3)]

    await asyncio.gather(
        *(life.create(*creations[start::5]) for start in range(5)),
        *(
            life.follow(*(a_member(version, m, points=version) for m in reversed(members)))
            for version in (4, 2, 3)
        ),
    )

    passes = await life.read(*(command.handle for command in creations))
    assert {(p.member or {})["points"] for p in passes} == {4}


async def test_member_of_another_account_with_the_same_id_is_another(life: Life):
    theirs = UUID(int=11)
    await life.keep(a_template(template_id=theirs, account_id=OTHER_ACCOUNT))
    mine = await life.issued(member=a_member(name="Ann"))
    await life.create(
        a_creation(
            template_id=theirs,
            account_id=OTHER_ACCOUNT,
            member=a_member(name="Eve", account_id=OTHER_ACCOUNT),
        )
    )

    await life.follow(a_member(2, name="Eva", account_id=OTHER_ACCOUNT))

    [changed] = life.changed()
    assert changed.account_id == OTHER_ACCOUNT
    assert ((await life.read(mine))[0].member or {})["name"] == "Ann"


async def test_scan_reads_the_members_facts(life: Life):
    handle = await life.issued({"psScanText": "none"}, member=a_member(name="Ann"))
    await life.happened(handle, "update", {"psScanColor": "{member_name}"})

    assert (await life.happened(handle, "register")).scan_color == "Ann"
