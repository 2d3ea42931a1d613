"""What keeps a process from starting is one sentence that names the setting, and no value."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from shared.sealing import MasterKeys
from tests.system import ROOT, clean_environment

KEYS = MasterKeys.generate_text()
SECRET = "hunter2-canary"
NOWHERE = f"postgresql://ann:{SECRET}@127.0.0.1:1/none"


async def said(*arguments: str, **settings: str) -> str:
    """Run a command that must fail at once, and give what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments,
        cwd=ROOT, env=clean_environment(**settings),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode in {1, 2}
    text = output.decode()
    assert "Traceback" not in text
    assert SECRET not in text
    assert KEYS[-20:] not in text
    return text.strip()


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
    assert "\n" not in text


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PASSWRIGHT_PORT": "99999"}, "PASSWRIGHT_PORT is wrong: Input should be less than"),
        ({"PASSWRIGHT_BASE_URL": "ftp://x"}, "PASSWRIGHT_BASE_URL is wrong:"),
        ({"PASSWRIGHT_LOG_LEVEL": "LOUD"}, "PASSWRIGHT_LOG_LEVEL is wrong:"),
    ],
)
async def test_setting_that_is_wrong_is_named_by_the_front_door(
    tmp_path: Path, settings: dict[str, str], sentence: str
):
    text = await said("services", "run", PASSWRIGHT_DATA=str(tmp_path / "data"), **settings)

    assert text.startswith(sentence)
    assert "\n" not in text


@pytest.mark.parametrize("address", ["nonsense", "mysql://ann@127.0.0.1/none"])
async def test_database_address_that_is_none_is_named(amqp_url: str, address: str):
    text = await said(
        "services.member",
        DATABASE_URL=address,
        AMQP_URL=amqp_url,
        PASSWRIGHT_MASTER_KEYS=KEYS,
        PASSWRIGHT_LOG_LEVEL="ERROR",
    )

    assert text.splitlines()[-1].startswith("DATABASE_URL is wrong: it looks like")


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

    assert text.splitlines()[-1].startswith(sentence)


async def test_port_in_use_is_named(tmp_path: Path):
    tmp_path.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = await said(
            "services", "run", PASSWRIGHT_PORT=str(port), PASSWRIGHT_DATA=str(tmp_path / "data")
        )

    assert text.splitlines()[-1] == f"PASSWRIGHT_PORT is wrong: port {port} is in use."


async def test_folder_that_is_none_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")

    text = await said("services", "run", PASSWRIGHT_DATA=str(tmp_path / "file" / "data"))

    assert text.splitlines()[-1].startswith("PASSWRIGHT_DATA is wrong:")


async def test_database_that_is_not_migrated_is_named(fresh_database: str, amqp_url: str):
    text = await said(
        "services.member",
        DATABASE_URL=fresh_database,
        AMQP_URL=amqp_url,
        PASSWRIGHT_MASTER_KEYS=KEYS,
        PASSWRIGHT_LOG_LEVEL="ERROR",
    )

    assert "is not migrated: run `python -m services migrate`" in text


async def test_servers_that_do_not_answer_are_named(tmp_path: Path):
    text = await said(
        "services", "migrate", DATABASE_URL=NOWHERE, PASSWRIGHT_MASTER_KEYS=KEYS,
        PASSWRIGHT_DATA=str(tmp_path / "data"),
    )  # fmt: skip

    assert "DATABASE_URL is wrong" in text


async def test_dead_letter_id_that_is_none_is_told(tmp_path: Path):
    text = await said(
        "services", "dead", "show", "triggers", "seven", DATABASE_URL=NOWHERE,
        PASSWRIGHT_DATA=str(tmp_path / "data"),
    )  # fmt: skip

    assert text.startswith("The message id is none")
