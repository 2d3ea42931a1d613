"""What an operator does: run, restart, look after dead letters, announce the catalogue again."""

import asyncio
import json
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from services.local import build_all, open_transport
from services.message_map import message_map
from services.operations import nowhere
from shared.contracts.triggers import EventsLogged
from shared.identifiers import new_id
from shared.messaging.envelope import Envelope
from shared.messaging.rabbitmq import RabbitMQTransport
from tests.e2e.test_journeys import a_pass, a_template, download, get, post
from tests.forking import ROOT
from tests.system import Process, System, poll, run_command, start_embedded


async def test_what_was_acknowledged_is_there_after_kill_9_and_a_restart(tmp_path: Path):
    tmp_path.chmod(0o755)
    system = await start_embedded(tmp_path)
    record = tmp_path / "data" / "demo.json"
    async with system.session() as session:
        template = await a_template(session)
        handles = [await a_pass(session, template) for _ in range(20)]
    system.processes["run"].kill()
    written = record.read_text()

    again = await start_embedded(tmp_path)
    async with again.session() as session:
        files = [await download(session, handle) for handle in handles]
    environment = tmp_path / "data" / "demo.env"
    address = f"PASSWRIGHT_URL={again.base_url}\n"
    await poll(lambda: address in environment.read_text(), "the new address in demo.env")
    code = await asyncio.to_thread(again.processes["run"].stop)

    assert len(files) == 20
    assert record.read_text() == written
    assert {stat.S_IMODE(file.stat().st_mode) for file in (record, environment)} == {0o600}
    assert code == 0


async def test_another_base_url_is_on_every_pass_that_is_served_from_then_on(tmp_path: Path):
    tmp_path.chmod(0o755)
    system = await start_embedded(tmp_path)
    async with system.session() as session:
        handle = await a_pass(session, await a_template(session))
        before = json.loads((await download(session, handle))["pass.json"])
    await asyncio.to_thread(system.processes["run"].stop)

    moved = await start_embedded(tmp_path, PASSWRIGHT_BASE_URL="https://passes.example")
    async with moved.session() as session:
        after = json.loads((await download(session, handle))["pass.json"])
    await asyncio.to_thread(moved.processes["run"].stop)

    assert before["webServiceURL"] == f"{system.base_url}/wallet"
    assert after == {**before, "webServiceURL": "https://passes.example/wallet"}


async def test_ctrl_c_ends_it_cleanly(tmp_path: Path):
    tmp_path.chmod(0o755)
    system = await start_embedded(tmp_path)
    process = system.processes["run"].running
    assert process is not None

    process.send_signal(signal.SIGINT)

    assert await asyncio.to_thread(process.wait, 40) == 0
    assert "Traceback" not in system.processes["run"].tail(200)


async def test_a_dead_letter_is_listed_shown_and_replayed(distributed: System):
    environment = distributed.extra["environment"]
    transport = RabbitMQTransport(
        environment["AMQP_URL"], prefix=environment["PASSWRIGHT_AMQP_PREFIX"]
    )
    await transport.start()
    unreadable = Envelope(new_id(), EventsLogged.name, "interactive", b'{"events": "none"}')
    await transport.publish([unreadable])
    name = str(unreadable.message_id)

    async def listed() -> bool:
        return name in await run_command(environment, "dead", "list", "notifier")

    await poll(listed, "the dead letter")
    listing = await run_command(environment, "dead", "list", "notifier")
    shown = await run_command(environment, "dead", "show", "notifier", name)
    replayed = await run_command(environment, "dead", "replay", "notifier", name)
    await poll(listed, "the dead letter again, for it is still unreadable")
    await transport.stop()

    assert EventsLogged.name in listing
    assert "none" not in listing
    assert shown.strip() == '{"events": "none"}'
    assert replayed.strip() == "1 replayed"


async def test_projections_that_lost_the_catalogue_get_it_again(distributed: System):
    async with distributed.session() as session:
        template = await a_template(session)
        handle = await a_pass(session, template)
        await download(session, handle)
        connection = await asyncpg.connect(distributed.database_url)
        for table in ("triggers.templates", "generator.templates", "generator.identities"):
            await connection.execute(f"DELETE FROM {table}")
        await connection.close()

        await run_command(distributed.extra["environment"], "catalogue", "resend")

        async def scanned() -> bool:
            async with session.post(f"/v1/passes/{handle}/scan") as response:
                return response.status == 200

        await poll(scanned, "a scan that works again")
        archive = await download(session, handle)

    assert b'"value":' in archive["pass.json"]


async def test_an_account_whose_keys_are_lost_gets_another(distributed: System):
    environment = distributed.extra["environment"]
    made = json.loads(await run_command(environment, "account", "Forgetful"))

    again = json.loads(await run_command(environment, "key", made["account_id"]))

    assert again["account_id"] == made["account_id"]
    async with distributed.session(again["api_key"]) as session, session.get("/v1/keys") as reply:
        names = [key["name"] for key in (await reply.json())["data"]]
    assert sorted(names) == ["first key", "made by the operator"]


async def test_the_message_map_in_the_architecture_is_the_code_s():
    page = (ROOT / "ARCHITECTURE.md").read_text()
    shown = page.split("<!-- message map -->\n")[1].split("\n<!-- end")[0]

    premises = nowhere()
    assert shown == message_map(build_all(premises, open_transport(premises)))


async def test_the_front_door_says_what_it_can_do():
    completed = await asyncio.to_thread(
        subprocess.run,
        [".venv/bin/python", "-m", "services", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    for command in (
        "run",
        "migrate",
        "account",
        "key",
        "catalogue",
        "dead",
        "message-map",
        "openapi",
    ):
        assert command in completed.stdout


async def test_accounts_made_at_the_front_door_can_do_everything(distributed: System):
    made = await run_command(
        distributed.extra["environment"], "account", "Second", "--organization", "Org"
    )

    account = json.loads(made)
    async with distributed.session(account["api_key"]) as session:
        seen = await get(session, "/v1/account")
        await post(session, "/v1/keys", {"name": "till", "scopes": ["scans:write"]}, expect=201)

    assert UUID(seen["account_id"]) == UUID(account["account_id"])
    assert seen["organization_name"] == "Org"


async def test_an_account_made_with_a_login_can_log_in(distributed: System):
    environment = distributed.extra["environment"]
    login = {"email": "operator@beans.example", "password": "from the shell"}
    made = await run_command(
        environment, "account", "Third", "--email", login["email"], "--password", login["password"]
    )
    account = json.loads(made)

    async with distributed.session() as session, session.get("/api/login", params=login) as answer:
        assert (await answer.json())["clientHash"] == account["client_hash"]


async def test_bulk_work_may_have_a_process_of_its_own(distributed: System):
    triggers = distributed.processes["triggers"]
    lanes = [
        Process(
            lane,
            (*triggers.program, "--lane", lane),
            triggers.environment,
            triggers.log.with_name(f"{lane}.log"),
        )
        for lane in ("interactive", "bulk")
    ]
    await asyncio.to_thread(triggers.stop)
    lanes[0].start()
    try:
        async with distributed.session() as session:
            template = await a_template(session)
            one: dict[str, Any] = {"template_id": template, "values": {}}

            async def is_served() -> bool:
                async with session.post("/v1/passes", json=one) as response:
                    return response.status == 201

            await poll(is_served, "lane for one pass")
            rows: list[dict[str, Any]] = [{"values": {}} for _ in range(20)]
            body = {"template_id": template, "passes": rows}
            many = asyncio.create_task(post(session, "/v1/passes", body, expect=201))
            await a_pass(session, template)
            waited = not many.done()
            lanes[1].start()
            issued = await many
    finally:
        for lane in lanes:
            lane.stop()
        triggers.start()

    assert waited
    assert all("handle" in row for row in issued["passes"])
