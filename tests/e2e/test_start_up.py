"""What keeps a process from starting is one sentence that names the setting, and no value."""

import asyncio
import fcntl
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ
from shared.identifiers import new_id
from shared.sealing import MasterKeys
from shared.service import NOT_MIGRATED
from tests import forking
from tests.servers import with_database
from tests.system import clean_environment, poll, run_command

KEYS = MasterKeys.generate_text()
SECRET = "hunter2-canary"
NOWHERE = f"postgresql://ann:{SECRET}@127.0.0.1:1/none"


async def said(*arguments: str, **settings: str) -> str:
    """Run a command that must fail at once, and give the one sentence that it says."""
    code, output, errors = await forking.run(*arguments, environment=clean_environment(**settings))
    assert code in {1, 2}
    assert "Traceback" not in output + errors
    assert SECRET not in output + errors
    assert KEYS[-20:] not in output + errors
    sentence, *others = errors.splitlines()
    assert others == []
    return sentence


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PASSWRIGHT_MASTER_KEYS": KEYS}, "DATABASE_URL is not set."),
        ({"DATABASE_URL": NOWHERE}, "Set PASSWRIGHT_MASTER_KEYS or PASSWRIGHT_MASTER_KEY_FILE."),
        (
            {"DATABASE_URL": NOWHERE, "PASSWRIGHT_MASTER_KEYS": SECRET},
            "AMQP_URL is not set; without RabbitMQ run `python -m services run`.",
        ),
        (
            {"DATABASE_URL": NOWHERE, "PASSWRIGHT_MASTER_KEYS": KEYS, "PASSWRIGHT_PORT": "x"},
            "PASSWRIGHT_PORT is wrong: Input should be a valid integer",
        ),
        (
            {
                "DATABASE_URL": NOWHERE,
                "AMQP_URL": f"amqp://ann:{SECRET}@127.0.0.1:1/",
                "PASSWRIGHT_MASTER_KEYS": SECRET,
            },
            "PASSWRIGHT_MASTER_KEYS is wrong:",
        ),
        (
            {
                "DATABASE_URL": NOWHERE,
                "PASSWRIGHT_MASTER_KEYS": KEYS,
                "PASSWRIGHT_LOG_LEVEL": "LOUD",
            },
            "PASSWRIGHT_LOG_LEVEL is wrong: one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
        ),
    ],
)
async def test_setting_that_is_missing_or_wrong_is_named(settings: dict[str, str], sentence: str):
    text = await said("services.triggers", **settings)

    assert text.startswith(sentence)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PASSWRIGHT_PORT": "99999"}, "PASSWRIGHT_PORT is wrong: Input should be less than"),
        ({"PASSWRIGHT_PORT": "-1"}, "PASSWRIGHT_PORT is wrong: Input should be greater than"),
        ({"PASSWRIGHT_PORT": SECRET}, "PASSWRIGHT_PORT is wrong: Input should be a valid integer"),
        ({"PASSWRIGHT_HEALTH_PORT": "x"}, "PASSWRIGHT_HEALTH_PORT is wrong: Input should be a"),
        ({"DATABASE_URL": f"postgresql://ann:{SECRET}@h:x/y"}, "DATABASE_URL is wrong: it looks"),
        ({"DATABASE_URL": f"postgresql://ann:{SECRET}@h:99999/y"}, "DATABASE_URL is wrong: it"),
        ({"AMQP_URL": SECRET}, "AMQP_URL is wrong: it looks like amqp://"),
        ({"AMQP_URL": f"http://ann:{SECRET}@127.0.0.1/"}, "AMQP_URL is wrong: it looks like"),
        ({"AMQP_URL": f"amqp://ann:{SECRET}@127.0.0.1:x/"}, "AMQP_URL is wrong: it looks like"),
        ({"PASSWRIGHT_BASE_URL": "ftp://x"}, "PASSWRIGHT_BASE_URL is wrong: it looks like https:"),
        ({"PASSWRIGHT_BASE_URL": "https://"}, "PASSWRIGHT_BASE_URL is wrong: it looks like https:"),
        ({"PASSWRIGHT_BASE_URL": "https://a b"}, "PASSWRIGHT_BASE_URL is wrong: it looks like"),
        ({"PASSWRIGHT_BASE_URL": "https://a/?b"}, "PASSWRIGHT_BASE_URL is wrong: it looks like"),
        ({"PASSWRIGHT_LOG_LEVEL": "LOUD"}, "PASSWRIGHT_LOG_LEVEL is wrong:"),
        ({"PASSWRIGHT_TRUSTED_PROXIES": "x"}, "PASSWRIGHT_TRUSTED_PROXIES is wrong:"),
        ({"PASSWRIGHT_PURGE": "x"}, "PASSWRIGHT_PURGE is wrong:"),
    ],
)
async def test_setting_that_is_wrong_is_named_by_the_front_door(
    tmp_path: Path, settings: dict[str, str], sentence: str
):
    text = await said("services", "run", PASSWRIGHT_DATA=str(tmp_path / "data"), **settings)

    assert text.startswith(sentence)


@pytest.mark.parametrize("address", ["nonsense", "mysql://ann@127.0.0.1/none"])
async def test_database_address_that_is_none_is_named(amqp_url: str, address: str):
    text = await said(
        "services.member",
        DATABASE_URL=address,
        AMQP_URL=amqp_url,
        PASSWRIGHT_MASTER_KEYS=KEYS,
    )

    assert text.startswith("DATABASE_URL is wrong: it looks like")


@pytest.mark.parametrize(
    ("link", "wallet", "sentence"),
    [
        ("http://127.0.0.1:1/p/x", "wallet.json", "no answer: "),
        ("nonsense", "wallet.json", "cannot be used: "),
        ("http://127.0.0.1:1/p/x", "broken.json", "cannot be used: "),
        ("http://127.0.0.1:1/p/x", "broken.json/wallet.json", "cannot be used: "),
    ],
)
async def test_phone_says_in_a_sentence_what_it_cannot_use(
    tmp_path: Path, link: str, wallet: str, sentence: str
):
    (tmp_path / "broken.json").write_text("{")

    text = await said("tests.wallet", "install", link, "--wallet", str(tmp_path / wallet))

    assert text.startswith(sentence)


@pytest.mark.parametrize("setting", ["PASSWRIGHT_PORT", "PASSWRIGHT_HEALTH_PORT"])
async def test_port_in_use_is_named(tmp_path: Path, setting: str):
    tmp_path.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = {"PASSWRIGHT_PORT": "0", setting: str(port)}
        text = await said("services", "run", PASSWRIGHT_DATA=str(tmp_path / "data"), **settings)

    assert text == f"{setting} is wrong: port {port} is in use."


async def test_host_that_is_not_this_one_is_named(tmp_path: Path):
    tmp_path.chmod(0o755)

    text = await said(
        "services", "run", PASSWRIGHT_HOST="192.0.2.1", PASSWRIGHT_DATA=str(tmp_path / "data")
    )

    assert text == "PASSWRIGHT_HOST is wrong: 192.0.2.1 is not here."


async def test_folder_that_is_none_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")

    text = await said("services", "run", PASSWRIGHT_DATA=str(tmp_path / "file" / "data"))

    assert text.startswith("PASSWRIGHT_DATA is wrong:")


async def test_folder_that_nobody_may_write_to_is_named():
    text = await said("services", "run", PASSWRIGHT_DATA="/sys/passwright")

    assert text.startswith("PASSWRIGHT_DATA is wrong: /sys/passwright: ")


async def test_folder_in_use_by_another_run_is_named(tmp_path: Path):
    (tmp_path / "postgres").mkdir()
    with (tmp_path / "postgres" / "owner.lock").open("wb") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        text = await said("services", "run", PASSWRIGHT_DATA=str(tmp_path))

    folder = tmp_path / "postgres"
    assert text == f"PASSWRIGHT_DATA is wrong: {folder} is in use by another running Passwright."


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server whose roles are ours: `owner` has the database `here`, `guest` has nothing."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("roles") / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def here(postgres: EmbeddedPostgres) -> Callable[[str], str]:
    """The address of a database that its owner, who is no superuser, has migrated."""

    def url(user: str) -> str:
        return with_database(postgres.url, "here").replace("postgres@", f"{user}@")

    await execute(postgres.url, "CREATE ROLE owner LOGIN CREATEROLE; CREATE ROLE guest LOGIN")
    await execute(postgres.url, "CREATE DATABASE here OWNER owner")
    await run_command(
        clean_environment(DATABASE_URL=url("owner"), PASSWRIGHT_MASTER_KEYS=KEYS), "migrate"
    )
    return url


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def member_said(database_url: str, amqp_url: str = "amqp://ann@127.0.0.1:1/") -> str:
    return await said(
        "services.member",
        DATABASE_URL=database_url,
        AMQP_URL=amqp_url,
        PASSWRIGHT_MASTER_KEYS=KEYS,
    )


async def test_database_that_is_not_migrated_is_named(fresh_database: str, tmp_path: Path):
    service = await member_said(fresh_database)
    command = await said(
        "services", "account", "Ann", DATABASE_URL=fresh_database, PASSWRIGHT_MASTER_KEYS=KEYS,
        PASSWRIGHT_DATA=str(tmp_path),
    )  # fmt: skip

    assert service == command == NOT_MIGRATED


async def test_database_of_an_older_version_is_not_migrated(here: Callable[[str], str]):
    rename = "UPDATE member.migrations SET name = '{}' WHERE name = '{}'"
    name = "0001_members.sql"
    await execute(here("owner"), rename.format("other", name))

    text = await member_said(here("owner"))

    await execute(here("owner"), rename.format(name, "other"))
    assert text == NOT_MIGRATED


@pytest.mark.parametrize("rights", ["", "CREATEROLE"])
async def test_user_who_may_not_migrate_is_named(here: Callable[[str], str], rights: str):
    name = f"guest{rights.lower()}x"
    await execute(here("postgres"), f"CREATE ROLE {name} LOGIN {rights}")

    text = await said("services", "migrate", DATABASE_URL=here(name), PASSWRIGHT_MASTER_KEYS=KEYS)

    assert text == (
        "DATABASE_URL is wrong: its user lacks rights in the database; run `python -m services "
        "migrate` as the owner of the database, who may create roles."
    )


async def test_user_who_may_not_take_on_the_role_of_a_service_is_named(here: Callable[[str], str]):
    text = await member_said(here("guest"))

    assert text.startswith(
        "DATABASE_URL is wrong: its user may not take on the role passwright_member; run"
    )


async def test_role_that_may_not_use_its_schema_is_named(here: Callable[[str], str]):
    await execute(here("owner"), "REVOKE USAGE ON SCHEMA member FROM passwright_member")

    text = await member_said(here("owner"))

    await execute(here("owner"), "GRANT USAGE ON SCHEMA member TO passwright_member")
    assert text.startswith(
        "DATABASE_URL is wrong: the role passwright_member may not use the schema member; run"
    )


async def test_user_or_password_that_postgresql_refuses_is_named(
    here: Callable[[str], str], postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
):
    await execute(here("postgres"), "CREATE ROLE ann LOGIN PASSWORD 'right'")
    rules = next(tmp_path_factory.getbasetemp().glob("roles*/postgres/cluster/pg_hba.conf"))
    rules.write_text(f"local all ann scram-sha-256\n{rules.read_text()}")
    await execute(here("postgres"), "SELECT pg_reload_conf()")
    await poll(lambda: is_refused(here("ann:wrong")), "new rules")
    sentence = "DATABASE_URL is wrong: PostgreSQL refuses its user or password."

    assert await member_said(here(f"ann:{SECRET}")) == sentence
    assert await member_said(here("nobody")) == sentence
    migrating = {"DATABASE_URL": here(f"ann:{SECRET}"), "PASSWRIGHT_MASTER_KEYS": KEYS}
    assert await said("services", "migrate", **migrating) == sentence


async def is_refused(url: str) -> bool:
    try:
        await (await asyncpg.connect(url)).close()
    except asyncpg.InvalidPasswordError:
        return True
    return False


async def test_database_that_is_not_there_is_named(postgres: EmbeddedPostgres):
    text = await member_said(with_database(postgres.url, "nowhere"))

    assert text == "DATABASE_URL is wrong: there is no such database."


async def test_broker_that_refuses_is_named(
    here: Callable[[str], str], rabbitmq_server: PrivateRabbitMQ | None, tmp_path: Path
):
    if rabbitmq_server is None:
        pytest.skip("TEST_AMQP_URL names a broker elsewhere")
    place = rabbitmq_server.url.rpartition("@")[2]
    for user in ("weak", "strange"):
        await asyncio.to_thread(rabbitmq_server.control, "add_user", user, SECRET)
    await asyncio.to_thread(rabbitmq_server.control, "set_permissions", "weak", "", "", "")
    no_host = "AMQP_URL is wrong: RabbitMQ has no such virtual host, or none for its user."

    wrong = f"amqp://guest:{SECRET}@{place}"
    for address, sentence in {
        wrong: "AMQP_URL is wrong: RabbitMQ refuses its user or password.",
        f"amqp://guest:guest@{place}nowhere": no_host,
        f"amqp://strange:{SECRET}@{place}": no_host,
        f"amqp://weak:{SECRET}@{place}": "AMQP_URL is wrong: RabbitMQ does not let its user "
        "declare and use queues in the virtual host.",
    }.items():
        assert await member_said(here("owner"), address) == sentence
    command = await said(
        "services", "dead", "list", "member", DATABASE_URL=here("owner"), AMQP_URL=wrong,
        PASSWRIGHT_MASTER_KEYS=KEYS,
    )  # fmt: skip
    assert command == "AMQP_URL is wrong: RabbitMQ refuses its user or password."


async def test_servers_that_do_not_answer_are_named():
    text = await said("services", "migrate", DATABASE_URL=NOWHERE, PASSWRIGHT_MASTER_KEYS=KEYS)

    assert text.startswith("DATABASE_URL is wrong: PostgreSQL cannot be reached")


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("services", "the following arguments are required: command"),
        ("services nonsense", "argument command: invalid choice: 'nonsense'"),
        ("services run --port 3", "unrecognized arguments: --port 3"),
        ("services account", "the following arguments are required: name"),
        ("services dead list nobody", "argument service: invalid choice: 'nobody'"),
        ("services outbox resend member --since x", "a number above 0, up to 24, is needed"),
        ("services outbox resend member --since nan", "a number above 0, up to 24, is needed"),
        ("services.triggers --lane slow", "argument --lane: invalid choice: 'slow'"),
        ("tests.wallet", "the following arguments are required: command"),
    ],
)
async def test_command_that_cannot_be_read_is_told_in_a_line(command: str, fault: str):
    text = await said(*command.split())

    module, _, _ = command.partition(" ")
    assert text.startswith(f"python -m {module}")
    assert fault in text
    assert text.endswith(" --help")


async def test_list_of_dead_letters_takes_no_id():
    text = await said("services", "dead", "list", "member", str(new_id()), DATABASE_URL=NOWHERE)

    assert text == "`dead list` takes no id; `dead show` shows one message."


@pytest.mark.parametrize("action", ["show", "replay"])
async def test_dead_letter_id_that_is_none_is_told(action: str):
    text = await said("services", "dead", action, "triggers", "seven", DATABASE_URL=NOWHERE)

    assert text.startswith("The message id is none")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([""], "The name is wrong: String should have at least 1 character."),
        (["n" * 201], "The name is wrong: String should have at most 200 characters."),
        (["n" * 65], "The organization name is wrong: String should have at most 64 characters."),
        (["Ann", "--email", "ann@here.example"], "--email and --password belong together."),
        (["Ann", "--email", "ann", "--password", SECRET], "The email is wrong: an e-mail address"),
        (["Ann", "--email", "a@b.example", "--password", "x"], "The password is wrong: String"),
    ],
)
async def test_account_that_cannot_be_is_told(arguments: list[str], sentence: str):
    text = await said(
        "services", "account", *arguments, DATABASE_URL=NOWHERE, PASSWRIGHT_MASTER_KEYS=KEYS
    )

    assert text.startswith(sentence)


async def test_account_is_not_made_without_its_login(here: Callable[[str], str]):
    settings = {"DATABASE_URL": here("owner"), "PASSWRIGHT_MASTER_KEYS": KEYS}
    login = ["--email", "ann@here.example", "--password", SECRET]
    await run_command(clean_environment(**settings), "account", "Ann", *login)

    text = await said("services", "account", "Bob", *login, **settings)

    connection = await asyncpg.connect(here("owner"))
    names = await connection.fetch("SELECT name FROM gateway.accounts")
    await connection.close()
    assert text == "Another account has this e-mail address."
    assert [row["name"] for row in names] == ["Ann"]


@pytest.mark.parametrize("action", ["show", "replay"])
async def test_dead_letter_that_is_not_there_is_told(here: Callable[[str], str], action: str):
    text = await said(
        "services", "dead", action, "member", str(new_id()), DATABASE_URL=here("owner"),
        PASSWRIGHT_MASTER_KEYS=KEYS,
    )  # fmt: skip

    assert text == "There is no such dead letter."
