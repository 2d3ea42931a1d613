"""What the broker or a database loses comes back: by receipts, and by comparing everything."""

import asyncio
from typing import Any

import aio_pika
import asyncpg

from shared.messaging.topology import catalogue_queue, events_queue
from tests.e2e.test_journeys import a_template, post
from tests.system import System, poll, run_command

ROWS = 100


async def issue(session: Any, template: str) -> set[str]:
    rows: list[dict[str, Any]] = [{"values": {}} for _ in range(ROWS)]
    body: dict[str, Any] = {"template_id": template, "passes": rows}
    issued = await post(session, "/v1/passes", body, expect=201)
    return {row["handle"] for row in issued["passes"]}


async def query(system: System, statement: str, *arguments: Any) -> list[Any]:
    connection = await asyncpg.connect(system.database_url)
    try:
        return [row[0] for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


async def known(system: System, template: str) -> tuple[int, int]:
    """How many passes of a template have a content, and how many creations the feed has."""
    (contents,) = await query(
        system, "SELECT count(*) FROM generator.passes WHERE template_id = $1::uuid", template
    )
    (events,) = await query(
        system,
        """
        SELECT count(*)
        FROM notifier.events
        WHERE template_id = $1::uuid
            AND kind = 'pass.created'
        """,
        template,
    )
    return contents, events


async def test_what_generator_and_notifier_lost_is_announced_again(system: System):
    async with system.session() as session:
        template = await a_template(session)
        handles = await issue(session, template)
        await poll(lambda: is_known(system, template), "contents and events")
        await query(
            system, "DELETE FROM generator.passes WHERE handle = ANY($1)", sorted(handles)[:30]
        )
        await query(
            system, "DELETE FROM notifier.events WHERE handle = ANY($1)", sorted(handles)[20:50]
        )
        for statement in (
            "UPDATE triggers.passes SET updated_at = updated_at - interval '2 minutes'",
            "UPDATE triggers.events SET occurred_at = occurred_at - interval '2 minutes'",
        ):
            await query(system, f"{statement} WHERE handle = ANY($1)", sorted(handles))

        said = await run_command(system.extra["environment"], "consistency")
        await poll(lambda: is_known(system, template), "contents and events again")

    assert "announced again" in said


async def test_a_deleted_queue_loses_no_content_and_no_event(distributed: System):
    """The consumers stand still while passes are issued, and their queues are deleted."""
    environment = distributed.extra["environment"]
    prefix = environment["PASSWRIGHT_AMQP_PREFIX"]
    async with distributed.session() as session:
        template = await a_template(session)
        for name in ("generator", "notifier"):
            distributed.processes[name].kill()
        handles = await issue(session, template)
        await poll(lambda: all_sent(distributed), "all events sent")
        connection = await aio_pika.connect(environment["AMQP_URL"])
        async with connection, await connection.channel() as channel:
            for service in ("generator", "notifier"):
                for queue in (events_queue(service, "bulk"), catalogue_queue(service)):
                    await channel.queue_delete(f"{prefix}.{queue}")
        for name in ("generator", "notifier"):
            distributed.processes[name].start()
        await distributed.until_ready()

        async def recovered() -> bool:
            # Nobody waits for the half minute after which receipts are asked for.
            await query(
                distributed, "UPDATE triggers.outbox SET ask_at = now() WHERE ask_at > now()"
            )
            await query(
                distributed, "UPDATE gateway.outbox SET ask_at = now() WHERE ask_at > now()"
            )
            await asyncio.sleep(1)
            return await is_known(distributed, template)

        await poll(recovered, "contents and events of a deleted queue", 90)

    assert len(handles) == ROWS


async def is_known(system: System, template: str) -> bool:
    return await known(system, template) == (ROWS, ROWS)


async def all_sent(system: System) -> bool:
    (waiting,) = await query(system, "SELECT count(*) FROM triggers.outbox WHERE sent_at IS NULL")
    return waiting == 0
