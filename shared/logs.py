"""Logging, set up once per process: columns for people, JSON for machines, secrets for nobody."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"(?:^|[^a-z])"
    r"(?:authorization|api[^a-z]?key|password|token|secret|private[^a-z]?key|body|email|phone)"
    r"s?(?:$|[^a-z])"
)


def configure_logs(*, service: str, level: str, json: bool) -> None:
    """Send structlog and stdlib loggers through the same processors to standard output."""
    number = logging.getLevelNamesMapping()[level.upper()]
    processors = _processors(service)
    structlog.configure(
        processors=[*processors, *_rendering(json=json)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory() if json else structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(json=json),
                _as_text,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Below that the libraries of AMQP and HTTP/2 write whole frames, with what is in them.
    root.setLevel(max(number, logging.WARNING))
    logging.captureWarnings(capture=True)
    access = logging.getLogger("aiohttp.access")
    access.disabled = True  # the HTTP middleware writes the one line per request


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace every value whose key is named like a secret, at any depth."""
    for key, value in event.items():
        if is_secret(key):
            event[key] = REDACTED
        elif isinstance(value, (dict, list, tuple)):
            event[key] = _redacted(cast("object", value))
    return event


def trace_of(error: BaseException | None) -> list[str]:
    """Tell where an error came from, without its message, which may hold personal values."""
    frames: Sequence[traceback.FrameSummary] = (
        () if error is None else traceback.extract_tb(error.__traceback__)
    )
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]]


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Whether values under this key stay out of the logs."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return _SECRET_NAME.search(snake.lower()) is not None


def _redacted(value: object) -> object:
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {
            str(key): REDACTED if is_secret(str(key)) else _redacted(inner)
            for key, inner in entries.items()
        }
    if isinstance(value, (list, tuple)):
        return [_redacted(inner) for inner in cast("Sequence[object]", value)]
    return value


def _processors(service: str) -> list[Processor]:
    def name_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return [
        structlog.contextvars.merge_contextvars,
        name_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
        _without_messages,
    ]


def _without_messages(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell of an exception, whoever logs it, its kind and where it came from, never its message."""
    given: object = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = cast("tuple[object, ...]", given)[1]
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event["kind"] = type(error).__name__
        event["trace"] = trace_of(error)
    return event


def _rendering(*, json: bool) -> list[Processor]:
    if json:
        return [structlog.processors.JSONRenderer(serializer=_dump)]
    return [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]


def _dump(event: object, **_options: Any) -> bytes:  # noqa: ANN401  (JSONRenderer passes json.dumps options)
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)


def _as_text(_logger: WrappedLogger, _method: str, line: Any) -> str:  # noqa: ANN401  (str or bytes, by renderer)
    return line.decode() if isinstance(line, bytes) else str(line)
