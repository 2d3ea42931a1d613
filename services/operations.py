"""What the commands of `python -m services` do."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import uvloop
from pydantic import ValidationError

from services import demo, offline_links
from services.batches import send_batch
from services.gateway.app import describe, list_endpoints, open_context
from services.gateway.catalogue import resending
from services.gateway.context import Context
from services.gateway.domain import EVERY_SCOPE, Caller
from services.gateway.routes.v1.accounts import ChangedAccount, NewAccount
from services.gateway.settings import Settings as GatewaySettings
from services.local import (
    Premises,
    build_all,
    common_settings,
    migrate_all,
    open_premises,
    open_transport,
)
from services.message_map import message_map
from services.settings import LocalSettings
from services.triggers.repository.comparisons import ComparisonRepository, Progress
from shared import clock
from shared.database import Database
from shared.errors import ApplicationError, UnavailableError
from shared.logs import configure_logs
from shared.messaging.letters import open_letter
from shared.messaging.outbox import Relay, resend
from shared.messaging.requests import Requester
from shared.messaging.transport import Transport
from shared.migrations import ChangedMigrationError
from shared.resealing import FORMER_KEYS, LETTER_KEYS, Walked, keep_roots, walk
from shared.service import (
    check_database,
    refusal_of,
    running_until_stopped,
    start_transport,
    tune_collector,
)
from shared.settings import StartUpError, read_settings

ANSWER_SECONDS = 60
REPORT_ROWS = 50_000


def perform(command: str, settings: LocalSettings, arguments: argparse.Namespace) -> int:
    """Do what a command says; returns the exit code. What keeps it from that is one sentence."""
    action = {
        "run": run_here,
        "migrate": migrate,
        "account": create_account,
        "key": create_key,
        "links": make_links,
        "keys": reseal_keys,
        "catalogue": resend_catalogue,
        "dead": tend_dead_letters,
        "outbox": resend_outbox,
        "consistency": compare_all,
        "batch": send_batch,
        "message-map": print_message_map,
        "openapi": print_openapi,
    }[command]
    configure_logs(service="passwright", level="CRITICAL", json=False)
    try:
        return uvloop.run(action(settings, arguments))
    except StartUpError as error:
        reason = str(error)
    except UnavailableError:
        reason = (
            "PostgreSQL or RabbitMQ does not answer: are DATABASE_URL and AMQP_URL right, and the "
            "servers up?"
        )
    except ApplicationError as error:
        reason = error.detail
    except ChangedMigrationError as error:
        reason = f"The migration {error} was edited after it was applied: write a new one instead."
    except asyncpg.PostgresError as error:
        said = f"DATABASE_URL is wrong: PostgreSQL says {type(error).__name__}."
        reason = refusal_of(error) or said
    except OSError as error:
        reason = f"DATABASE_URL is wrong: PostgreSQL cannot be reached ({type(error).__name__})."
    except KeyboardInterrupt:
        reason = "Stopped."
    return _refuse(reason)


async def run_here(settings: LocalSettings, _arguments: argparse.Namespace) -> int:
    """Run all five services until SIGTERM or Ctrl-C; make the demo on the first run."""
    tune_collector()
    configure_logs(service="passwright", level=settings.log_level, json=not sys.stdout.isatty())
    _say("Starting PostgreSQL …" if settings.database_url is None else "Connecting …")
    async with _premises(settings, visiting=False) as premises:
        transport = open_transport(premises)
        services = build_all(premises, transport)
        await migrate_all(premises, services)
        async with running_until_stopped(services, transport, settings.health_port) as running:
            port = running.ports["gateway"]
            base_url = settings.base_url or f"http://localhost:{port}"
            async with _door(premises, transport) as context:
                await demo.welcome(settings.data, base_url, context, _say)
            await running.stopping.wait()
            _say("Stopping …")
    return 0


async def migrate(settings: LocalSettings, _arguments: argparse.Namespace) -> int:
    """Bring every schema up to date; several at once wait for each other."""
    async with _premises(settings) as premises:
        await migrate_all(premises, build_all(premises, open_transport(premises)))
    return 0


async def create_account(settings: LocalSettings, arguments: argparse.Namespace) -> int:
    """Make an account; prints its id and its API key, which is never shown again."""
    email, password = arguments.email, arguments.password
    if (email is None) != (password is None):
        return _refuse("--email and --password belong together.")
    if password == "-":  # noqa: S105 - says where it is
        password = (await asyncio.to_thread(sys.stdin.readline)).rstrip("\r\n")
    try:
        wanted = NewAccount(
            name=arguments.name, organization_name=arguments.organization or arguments.name
        )
        given = {} if email is None else {"email": email, "password": password}
        login = ChangedAccount.model_validate(given).change if given else None
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = str(fault["loc"][0]).replace("_", " ")
        return _refuse(f"The {name} is wrong: {fault['msg'].removeprefix('Value error, ')}.")
    async with (
        _premises(settings) as premises,
        _door(premises, open_transport(premises)) as context,
    ):
        new = await context.accounts.prepare(wanted.name, wanted.organization_name, None)
        secret = None if login is None else await context.logins.prepare(login)
        async with context.database.work() as work:
            account, key = await context.accounts.add(work, new)
            if login is not None:
                account = await context.logins.apply(work, account.account_id, login, secret)
        made = {"account_id": str(account.account_id), "api_key": key.text}
        if login is not None:
            made |= {
                "email": str(account.email),
                "client_hash": context.logins.client_hash(account),
            }
    _say(json.dumps(made))
    return 0


async def create_key(settings: LocalSettings, arguments: argparse.Namespace) -> int:
    """Make another API key with all scopes for an account whose keys are lost; prints it once."""
    try:
        account_id = UUID(arguments.account_id)
    except ValueError:
        return _refuse(
            "The account id is none: it looks like 01a216dc-52f4-74f7-a962-4d3f583729b9."
        )
    async with (
        _premises(settings) as premises,
        _door(premises, open_transport(premises)) as context,
        context.database.work() as work,
    ):
        account = await context.accounts.get(account_id, account_id)
        operator = Caller(account.account_id, "operator", frozenset({EVERY_SCOPE}))
        _, key = await context.keys.add(work, operator, arguments.name, [EVERY_SCOPE])
    _say(json.dumps({"account_id": str(account_id), "api_key": key.text}))
    return 0


async def make_links(_settings: LocalSettings, arguments: argparse.Namespace) -> int:
    """Make links of a table; what is read and written is on this machine alone."""
    return offline_links.make_links(arguments.file, arguments.key, arguments.output)


async def resend_catalogue(settings: LocalSettings, _arguments: argparse.Namespace) -> int:
    """Announce every current template and identity again, for projections that lost them."""
    async with (
        _premises(settings) as premises,
        _transport(premises) as transport,
        _door(premises, transport) as context,
    ):
        count = await resending.resend_catalogue(context.database)
        await Relay(context.database, transport).drain()
    _say(f"{count} announced")
    return 0


async def tend_dead_letters(settings: LocalSettings, arguments: argparse.Namespace) -> int:
    """List, show or replay the dead letters of one service."""
    try:
        message_id = UUID(arguments.message_id) if arguments.message_id else None
    except ValueError:
        return _refuse(
            "The message id is none: it looks like 01a216dc-52f4-74f7-a962-4d3f583729b9."
        )
    if arguments.action == "list" and message_id is not None:
        return _refuse("`dead list` takes no id; `dead show` shows one message.")
    if arguments.action == "show" and message_id is None:
        return _refuse("`dead show` needs the id of a message, which `dead list` tells.")
    async with _premises(settings) as premises, _transport(premises) as transport:
        if arguments.action == "list":
            for letter in await transport.dead_letters(arguments.service):
                _say(
                    f"{letter.message_id}  {letter.name}  {letter.reason}"
                    f"  after {letter.attempts} attempts  {letter.size} bytes"
                )
        elif arguments.action == "replay":
            count = await transport.replay(arguments.service, message_id)
            if message_id is not None and not count:
                return _refuse("There is no such dead letter.")
            _say(f"{count} replayed")
        elif message_id is not None:
            body = await transport.dead_body(arguments.service, message_id)
            if body is None:
                return _refuse("There is no such dead letter.")
            keys = read_settings(GatewaySettings, common_settings(premises)).read_master_keys()
            async with (
                _database(premises, arguments.service) as database,
                database.connection() as connection,
            ):
                opened = await open_letter(connection, keys, message_id, body)
            _say(opened.decode())
    return 0


async def resend_outbox(settings: LocalSettings, arguments: argparse.Namespace) -> int:
    """Send again what a service sent in the last hours; whoever has it already drops it."""
    async with (
        _premises(settings) as premises,
        _transport(premises) as transport,
        _database(premises, arguments.service) as database,
    ):
        count = await resend(database, clock.now() - timedelta(hours=arguments.since))
        await Relay(database, transport).drain()
    _say(f"{count} sent again")
    return 0


async def compare_all(settings: LocalSettings, _arguments: argparse.Namespace) -> int:
    """Compare everything with generator and notifier, which must be running; tell how far it is.

    What is missing there is announced again. Ends with 1 if nobody answers for a minute.
    """
    async with _premises(settings) as premises, _database(premises, "triggers") as database:
        async with database.work() as work:
            comparisons = ComparisonRepository(work.connection)
            begun = [await comparisons.begin("passes"), await comparisons.begin("events")]
        before: list[Progress] = []
        patience = ANSWER_SECONDS
        while patience > 0:
            async with database.connection() as connection:
                found = await ComparisonRepository(connection).progress(begun)
            if all(one.is_listed and one.answered >= one.pages for one in found):
                for one in found:
                    _say(f"{one.subject}: {one.listed} compared, {one.missing} announced again")
                return 0
            if found != before:
                _say("  ".join(f"{one.subject}: {one.listed} compared" for one in found))
            patience = patience - 1 if found == before else ANSWER_SECONDS
            before = found
            await asyncio.sleep(1)
    return _refuse("No answer for a minute: are triggers, generator and notifier running?")


async def reseal_keys(settings: LocalSettings, _arguments: argparse.Namespace) -> int:
    """Seal anew, with the first master key, what others have sealed; tell how far it is.

    Ends with 1 if something cannot be opened with the keys that are set.
    """
    unreadable = 0
    async with _premises(settings) as premises:
        for service in build_all(premises, open_transport(premises)):
            async with _database(premises, service.name) as database:
                if FORMER_KEYS in service.sealed:
                    await keep_roots(database, service.keys)
                for column in (*service.sealed, LETTER_KEYS):
                    name, walked = f"{service.name}.{column.table}.{column.column}", Walked()
                    async for walked in walk(database, service.keys, column):
                        if walked.looked_at % REPORT_ROWS == 0 and walked.looked_at:
                            _say(f"  {name}: {walked.looked_at} …")
                    _say(f"{name}: {walked.resealed} of {walked.looked_at} sealed anew")
                    unreadable += walked.unreadable
    if unreadable:
        return _refuse(f"{unreadable} cannot be opened: is a master key missing that sealed them?")
    return 0


async def print_message_map(_settings: LocalSettings, _arguments: argparse.Namespace) -> int:
    premises = nowhere()
    _say(message_map(build_all(premises, open_transport(premises))))
    return 0


async def print_openapi(_settings: LocalSettings, _arguments: argparse.Namespace) -> int:
    premises = nowhere()
    database = Database(premises.database_url, schema="gateway")
    context = _put_together(premises, database, open_transport(premises))
    _say(json.dumps(describe(list_endpoints(context)), indent=2))
    return 0


@asynccontextmanager
async def _premises(settings: LocalSettings, *, visiting: bool = True) -> AsyncGenerator[Premises]:
    premises = await asyncio.to_thread(open_premises, settings, visiting=visiting)
    try:
        yield premises
    finally:
        await asyncio.to_thread(premises.close)


@asynccontextmanager
async def _transport(premises: Premises) -> AsyncGenerator[Transport]:
    transport = open_transport(premises)
    try:
        await start_transport(transport)
        yield transport
    finally:
        await transport.stop()


@asynccontextmanager
async def _database(premises: Premises, schema: str) -> AsyncGenerator[Database]:
    database = Database(premises.database_url, schema=schema, size=2)
    await database.start()
    try:
        await check_database(database, Path(__file__).parent / schema / "migrations")
        yield database
    finally:
        await database.stop()


@asynccontextmanager
async def _door(premises: Premises, transport: Transport) -> AsyncGenerator[Context]:
    async with _database(premises, "gateway") as database:
        yield _put_together(premises, database, transport)


def _put_together(premises: Premises, database: Database, transport: Transport) -> Context:
    settings = read_settings(GatewaySettings, common_settings(premises))
    keys = settings.read_master_keys()
    return open_context(
        database,
        Requester(transport),
        keys,
        settings.public_url,
        tokens=settings.read_pass_tokens(keys),
    )


def nowhere() -> Premises:
    """Make premises on which services can be put together but not run: enough to describe them."""
    settings = LocalSettings.model_validate({"master_keys": "A" * 43})
    return Premises(settings, "postgresql://", None, None)


def _refuse(sentence: str) -> int:
    """Say why not; returns the exit code."""
    sys.stderr.write(f"{sentence}\n")
    return 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
