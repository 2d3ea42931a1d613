import logging
from collections.abc import Iterator

import orjson
import pytest
import structlog

from shared.logs import REDACTED, configure_logs, is_secret


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root, access = logging.getLogger(), logging.getLogger("aiohttp.access")
    before = (root.handlers[:], root.level, access.disabled)
    yield
    root.handlers[:], access.disabled = before[0], before[2]
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_machines_get_one_json_line_with_context(capfd: pytest.CaptureFixture[str]):
    configure_logs(service="gateway", level="info", json=True)
    structlog.contextvars.bind_contextvars(request_id="r1")

    structlog.get_logger().info("request", status=200)
    line = orjson.loads(capfd.readouterr().out)

    assert (line["event"], line["level"], line["service"]) == ("request", "info", "gateway")
    assert (line["request_id"], line["status"]) == ("r1", 200)
    assert line["timestamp"].endswith("Z")


def test_foreign_loggers_go_the_same_way(capfd: pytest.CaptureFixture[str]):
    configure_logs(service="gateway", level="info", json=True)

    logging.getLogger("aio_pika").warning("lost %s", "broker")
    line = orjson.loads(capfd.readouterr().out)

    assert (line["event"], line["logger"], line["service"]) == (
        "lost broker",
        "aio_pika",
        "gateway",
    )


def test_people_get_columns(capfd: pytest.CaptureFixture[str]):
    configure_logs(service="gateway", level="info", json=False)

    structlog.get_logger().info("started", port=8080)
    logging.getLogger("other").error("oops")
    out = capfd.readouterr().out

    assert "started" in out
    assert "port=8080" in out
    assert "oops" in out


def test_lower_levels_are_left_out(capfd: pytest.CaptureFixture[str]):
    configure_logs(service="gateway", level="warning", json=True)

    structlog.get_logger().info("quiet")
    logging.getLogger("other").info("quiet")

    assert capfd.readouterr().out == ""


def test_access_log_of_aiohttp_is_off():
    configure_logs(service="gateway", level="debug", json=True)

    assert logging.getLogger("aiohttp.access").disabled


@pytest.mark.parametrize("json", [True, False])
def test_traceback_is_logged_without_local_variables(
    capfd: pytest.CaptureFixture[str], *, json: bool
):
    configure_logs(service="gateway", level="info", json=json)
    local = "hidden".upper()

    try:
        int(local[:0])
    except ValueError:
        structlog.get_logger().exception("failed")
    out = capfd.readouterr().out

    assert "ValueError" in out
    assert "HIDDEN" not in out


def test_secrets_are_redacted_at_any_depth(capfd: pytest.CaptureFixture[str]):
    configure_logs(service="gateway", level="info", json=True)

    structlog.get_logger().info("x", api_key="k", nested={"headers": [{"Authorization": "k"}]})
    line = orjson.loads(capfd.readouterr().out)

    assert line["api_key"] == REDACTED
    assert line["nested"] == {"headers": [{"Authorization": REDACTED}]}


@pytest.mark.parametrize(
    "key",
    [
        "authorization",
        "api_key",
        "X-API-Key",
        "access_token",
        "clientSecret",
        "private_key",
        "request_body",
        "email_address",
        "phones",
        "password",
        "apiKey",
    ],
)
def test_key_named_like_a_secret_is_one(key: str):
    assert is_secret(key)


@pytest.mark.parametrize("key", ["route", "status", "nobody", "tokenizer", "key", "ms"])
def test_other_keys_are_none(key: str):
    assert not is_secret(key)
