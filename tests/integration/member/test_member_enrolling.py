"""Whoever comes by a link or a batch gets one member and one enrolment, however many ask."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.contracts.member import Enrolled, EnrolMember, EnrolmentPage, ListMembers
from shared.database import Database
from shared.errors import NotReadyError
from shared.identifiers import new_id
from tests.integration.member.people import (
    ACCOUNT,
    OTHER_ACCOUNT,
    OTHER_TEMPLATE,
    TEMPLATE,
    a_confirmation,
    a_deletion,
    a_save,
    an_enrolment,
    confirm,
    delete,
    enrol,
    enrolled,
    enrolment_page,
    good,
    kinds,
    page,
    points_page,
    read,
    save,
    saved,
    until_somebody_waits,
)


@pytest.fixture
async def processes(database: Database) -> AsyncIterator[list[Database]]:
    """Several processes of the service: each has a pool of its own."""
    others = [Database(database.url, schema="member", acquire_timeout=20) for _ in range(3)]
    for other in others:
        await other.start()
    yield [database, *others]
    for other in others:
        await other.stop()


async def at_once(processes: list[Database], *commands: EnrolMember) -> list[Enrolled]:
    asked = (
        enrolled(processes[number % len(processes)], command)
        for number, command in enumerate(commands)
    )
    return [one for [one] in await asyncio.gather(*asked)]


async def test_new_person_gets_a_member_and_an_enrolment(database: Database):
    command = an_enrolment("7", name="Ada", points=5, campaign="spring")

    outcomes, news, _ = await enrol(database, command)

    one = good(outcomes[0])
    assert (one.is_new, one.differs) == (True, False)
    assert (one.member.member_id, one.member.name) == (command.member_id, "Ada")
    assert (one.enrolment.member_id, one.enrolment.handle) == (command.member_id, command.handle)
    assert (one.enrolment.external_id, one.enrolment.campaign) == ("7", "spring")
    assert news == [one.member]
    assert await read(database, command.member_id) == [one.member]
    entries = (await points_page(database, command.member_id)).entries
    assert [(e.delta, e.balance, e.reason) for e in entries] == [(5, 5, "set")]


async def test_person_who_comes_again_gets_the_same_handle_and_nothing_is_announced(
    database: Database,
):
    [first] = await enrolled(database, an_enrolment("7", name="Ada"))

    outcomes, *news = await enrol(database, an_enrolment("7", name=" Ada"), an_enrolment("7"))

    again = [good(outcome) for outcome in outcomes]
    assert [one.enrolment for one in again] == [first.enrolment] * 2
    assert [(one.is_new, one.differs) for one in again] == [(False, False)] * 2
    assert news == [[], []]


async def test_fifty_who_ask_at_once_in_four_processes_get_one_handle(processes: list[Database]):
    outcomes = await at_once(processes, *(an_enrolment("7", name="Ada") for _ in range(50)))

    assert len({one.enrolment.handle for one in outcomes}) == 1
    assert len({one.member.member_id for one in outcomes}) == 1
    assert sum(one.is_new for one in outcomes) == 1
    assert await rows(processes[0], "members") == 1


async def test_one_batch_that_names_a_person_twice_makes_it_once(database: Database):
    outcomes = await enrolled(
        database,
        *(an_enrolment("7", member_id=member_id) for member_id in ("b", "a", "c")),
        an_enrolment("7", account_id=OTHER_ACCOUNT),
    )

    mine, theirs = outcomes[:3], outcomes[3]
    assert [one.is_new for one in outcomes] == [True, False, False, True]
    assert len({one.enrolment.handle for one in mine}) == 1
    assert theirs.enrolment.handle != mine[0].enrolment.handle
    assert await rows(database, "members") == 2


async def test_batches_in_opposite_order_do_not_wait_for_each_other_in_a_circle(
    processes: list[Database],
):
    people = [str(number) for number in range(40)]
    await enrolled(processes[0], *(an_enrolment(name) for name in people[::3]))

    async def enrol_all(number: int) -> list[str]:
        ordered = people if number % 2 else people[::-1]
        template_id = OTHER_TEMPLATE if number % 3 else TEMPLATE
        found = await enrolled(
            processes[number % 4],
            *(an_enrolment(name, template_id=template_id) for name in ordered),
        )
        return sorted(one.member.member_id for one in found)

    members = await asyncio.gather(*(enrol_all(number) for number in range(12)))

    assert all(found == members[0] for found in members)
    assert await rows(processes[0], "members") == 40
    assert await rows(processes[0], "enrolments") == 80


async def test_person_has_one_member_and_an_enrolment_for_each_template(database: Database):
    [ada] = await saved(database, a_save(external_id="7", name="Ada"))

    first, second = await enrolled(
        database, an_enrolment("7"), an_enrolment("7", template_id=OTHER_TEMPLATE)
    )

    assert first.member == second.member == ada
    assert first.is_new
    assert second.is_new
    assert first.enrolment.handle != second.enrolment.handle


async def test_other_name_email_or_phone_than_the_member_has_is_told_and_changes_nothing(
    database: Database,
):
    [ada] = await saved(
        database, a_save(external_id="7", name="Ada", email="Ada@Example.org", phone="1")
    )

    outcomes = await enrolled(
        database,
        an_enrolment("7", name="Ada", email="ada@example.org", phone=" 1 ", tier="gold"),
        an_enrolment("7", name="Grace"),
        an_enrolment("7", email="grace@example.org"),
        an_enrolment("7", phone="2"),
    )

    assert [one.differs for one in outcomes] == [False, True, True, True]
    assert await read(database, "ada") == [ada]


async def test_enrolments_and_conflicts_are_announced_by_ids_alone(database: Database):
    program_id = new_id()
    first = an_enrolment("crm-7", name="Ada", email="ada@example.org", campaign="ada-spring")
    second = an_enrolment("crm-7", name="Grace", email="ada@example.org", phone="2")
    second = second.model_copy(update={"program_id": program_id})

    outcomes, _, news = await enrol(database, first, second)

    one = good(outcomes[0]).enrolment
    assert [(n.kind, n.fields, n.program_id) for n in news] == [
        ("enrolled", [], None),
        ("conflict", ["name", "phone"], program_id),
    ]
    assert {(n.member_id, n.enrolment_id, n.handle) for n in news} == {
        (first.member_id, one.enrolment_id, first.handle)
    }
    told = str(news)
    assert not any(word in told for word in ("Ada", "ada@", "crm-7", "ada-spring", "Grace"))


async def test_fields_that_a_member_may_not_have_fail_alone(database: Database):
    outcomes, news, _ = await enrol(
        database,
        an_enrolment("7", email="x"),
        an_enrolment("\x00"),
        an_enrolment(shoe_size=43),
        an_enrolment(member_id="a b"),
        an_enrolment("8"),
    )

    assert kinds(outcomes) == ["MemberInvalidError"] * 4 + ["Enrolled"]
    assert len(news) == 1


async def test_without_an_external_id_everybody_is_somebody_new(database: Database):
    outcomes = await enrolled(database, *(an_enrolment(name="Ada") for _ in range(3)))

    assert all(one.is_new for one in outcomes)
    assert len({one.enrolment.handle for one in outcomes}) == 3
    assert await rows(database, "members") == 3


async def test_member_id_that_is_taken_is_a_conflict(database: Database):
    await saved(database, a_save("ada"))

    outcomes, *_ = await enrol(
        database,
        an_enrolment(member_id="ada"),
        an_enrolment("7", member_id="ada"),
        an_enrolment(member_id="bob"),
        an_enrolment("8", member_id="bob"),
    )

    assert kinds(outcomes) == [
        "MemberExistsError",
        "MemberExistsError",
        "Enrolled",
        "MemberExistsError",
    ]
    assert [m.external_id for m in (await page(database, a_list())).members] == [None, None]


async def test_link_gives_no_more_than_it_may_however_many_ask_at_once(processes: list[Database]):
    async def ask(number: int) -> str:
        outcomes, *_ = await enrol(
            processes[number % 4], an_enrolment(str(number), max_uses=7), an_enrolment()
        )
        return kinds(outcomes)[0]

    outcomes = await asyncio.gather(*(ask(number) for number in range(40)))

    assert outcomes.count("Enrolled") == 7
    assert outcomes.count("LinkUsedUpError") == 33
    assert await rows(processes[0], "members") == 7 + 40


async def test_link_that_is_used_up_still_gives_those_who_were_enrolled_theirs(database: Database):
    [first] = await enrolled(database, an_enrolment("7", max_uses=1))

    outcomes, *_ = await enrol(
        database, an_enrolment("8", max_uses=1), an_enrolment("7", max_uses=1)
    )

    assert kinds(outcomes) == ["LinkUsedUpError", "Enrolled"]
    assert good(outcomes[1]).enrolment == first.enrolment
    assert await rows(database, "members") == 1


async def test_link_gives_an_enrolment_again_that_led_to_no_pass(database: Database):
    [first] = await enrolled(database, an_enrolment(max_uses=1))
    [again] = await enrolled(database, an_enrolment(max_uses=1))
    [confirmed] = await confirm(database, a_confirmation(first.enrolment.handle))

    outcomes, *_ = await enrol(database, an_enrolment(max_uses=1), an_enrolment(max_uses=2))

    assert (again.enrolment, again.member) == (first.enrolment, first.member)
    assert confirmed == first.enrolment
    assert kinds(outcomes) == ["LinkUsedUpError", "Enrolled"]
    assert good(outcomes[1]).is_new


async def test_nobody_is_given_the_enrolment_of_a_person_with_an_external_id(database: Database):
    await enrolled(database, an_enrolment("7", max_uses=1))

    outcomes, *_ = await enrol(database, an_enrolment(max_uses=1))

    assert kinds(outcomes) == ["LinkUsedUpError"]


async def test_deletion_of_a_member_gives_no_use_back(database: Database):
    [one] = await enrolled(database, an_enrolment("7", max_uses=1))
    await delete(database, a_deletion(one.member.member_id))

    outcomes, *_ = await enrol(database, an_enrolment("7", max_uses=1))

    assert kinds(outcomes) == ["LinkUsedUpError"]


async def test_all_who_replace_a_deleted_pass_at_once_get_the_same_new_one(
    processes: list[Database],
):
    [first] = await enrolled(processes[0], an_enrolment("7"))
    old = first.enrolment.handle

    outcomes = await at_once(processes, *(an_enrolment("7", replaces=old) for _ in range(20)))

    [handle] = {one.enrolment.handle for one in outcomes}
    assert handle != old
    assert {one.enrolment.enrolment_id for one in outcomes} == {first.enrolment.enrolment_id}
    assert not any(one.is_new for one in outcomes)
    [now] = await enrolled(processes[0], an_enrolment("7"))
    assert now.enrolment.handle == handle


async def test_used_up_link_replaces_a_deleted_pass_of_somebody_without_an_external_id(
    processes: list[Database],
):
    [first] = await enrolled(processes[0], an_enrolment(max_uses=1))
    old = first.enrolment.handle
    await confirm(processes[0], a_confirmation(old))

    outcomes = await at_once(processes, *(an_enrolment(max_uses=1, replaces=old) for _ in range(8)))

    assert len({one.enrolment.handle for one in outcomes} | {old}) == 2
    assert {one.member.member_id for one in outcomes} == {first.member.member_id}


async def test_enrolments_of_a_deleted_member_go_with_it_and_the_person_may_come_anew(
    database: Database,
):
    [first] = await enrolled(database, an_enrolment("crm-7", name="Ada"))
    await delete(database, a_deletion(first.member.member_id))

    async with database.connection() as connection:
        stored = await connection.fetch("SELECT e::text FROM enrolments AS e")
    [again] = await enrolled(database, an_enrolment("crm-7", name="Grace"))

    assert stored == []
    assert (again.is_new, again.differs, again.member.name) == (True, False, "Grace")
    assert again.member.member_id != first.member.member_id
    assert again.enrolment.handle != first.enrolment.handle


async def test_clicks_and_deletions_at_once_leave_nobody_half(processes: list[Database]):
    async def click(number: int) -> None:
        outcomes, *_ = await enrol(processes[number % 4], an_enrolment("7"))
        if isinstance(outcomes[0], NotReadyError):  # the messaging asks such a row again
            return
        if number % 3 == 0:
            await delete(processes[number % 4], a_deletion(good(outcomes[0]).member.member_id))

    await asyncio.gather(*(click(number) for number in range(40)))

    async with processes[0].connection() as connection:
        orphans = await connection.fetchval(
            """
            SELECT count(*)
            FROM enrolments
            JOIN members USING (account_id, member_id)
            WHERE deleted
            """
        )
    assert orphans == 0
    assert len((await page(processes[0], a_list())).members) <= 1


async def test_external_id_that_leaves_its_member_meanwhile_is_asked_for_again(
    database: Database,
):
    await saved(database, a_save("ada", external_id="7"))
    async with database.work() as holding:
        await holding.connection.execute("SELECT FROM members FOR UPDATE")
        asked = asyncio.create_task(enrol(database, an_enrolment("7")))
        await until_somebody_waits(database)
        await holding.connection.execute("UPDATE members SET external_id = NULL")
    outcomes, news, _ = await asked

    [again] = await enrolled(database, an_enrolment("7"))

    assert kinds(outcomes) == ["NotReadyError"]
    assert news == []
    assert again.is_new


async def test_external_id_that_was_given_by_a_click_is_taken_for_a_save(database: Database):
    await enrolled(database, an_enrolment("7"))

    outcomes, _ = await save(database, a_save(external_id="7"))

    assert kinds(outcomes) == ["ExternalIdTakenError"]


async def test_pass_of_nobody_cannot_be_confirmed(database: Database):
    [one] = await enrolled(database, an_enrolment("7"))

    outcomes = await confirm(
        database, a_confirmation("nothing"), *[a_confirmation(one.enrolment.handle)] * 2
    )

    assert kinds(outcomes) == ["EnrolmentNotFoundError", "Enrolment", "Enrolment"]


async def test_enrolments_of_a_member_are_paged_newest_first(database: Database):
    [one] = await enrolled(database, an_enrolment("7"))
    [two] = await enrolled(database, an_enrolment("7", template_id=OTHER_TEMPLATE))
    await enrolled(database, an_enrolment("8"))
    member_id = one.member.member_id

    first = good(await enrolment_page(database, member_id, limit=1))
    second = good(
        await enrolment_page(database, member_id, before=two.enrolment.enrolment_id, limit=1)
    )

    assert first == EnrolmentPage(enrolments=[two.enrolment], more=True)
    assert second == EnrolmentPage(enrolments=[one.enrolment], more=False)
    assert kinds(
        [
            await enrolment_page(database, "nobody"),
            await enrolment_page(database, "a\x00b"),
            await enrolment_page(database, member_id, limit=251),
        ]
    ) == ["MemberNotFoundError", "MemberNotFoundError", "PageInvalidError"]


def a_list() -> ListMembers:
    return ListMembers(account_id=ACCOUNT)


async def rows(database: Database, table: str) -> int:
    async with database.connection() as connection:
        return await connection.fetchval(f"SELECT count(*) FROM {table}")
