"""Reads what a client sent: limited bodies, JSON, query parameters, headers."""

import asyncio
import re
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Callable, Iterable
from functools import lru_cache, partial
from itertools import islice
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ValidationError

from shared.errors import InvalidError, TooLargeError
from shared.http.problems import BadRequestError, SlowRequestError, UnsupportedMediaError
from shared.passes.schema.values import holds_nul, json_pointer, texts_within

Model = TypeVar("Model", bound=BaseModel)
Step = str | int

JSON_MEDIA = "application/json"
FORM_MEDIA = "application/x-www-form-urlencoded"
BODY_SECONDS = 60
KEY_LENGTH = 255
MAX_FAULTS = 100
MAX_FORM_FIELDS = 100
NO_NUL = "Text may not hold the character U+0000"


def _read_whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_read_whole)
WholeNumber = Annotated[int, WHOLE]
"""An integer of a JSON body, which may be written 5.0."""

_BARE_KEY = re.compile(r"[!#-~][!-~]*")
_QUOTED_KEY = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])*)"')
_HUGE = re.compile(rb"[0-9][eE]\+?[0-9]{3}|[0-9]{300}")


async def chunks_within(request: web.Request, limit: int) -> AsyncIterator[bytes]:
    """Read the body as it arrives; `TooLargeError` as soon as it proves longer than `limit`."""
    if (request.content_length or 0) > limit:
        raise TooLargeError(_limit_text(limit))
    size = 0
    try:
        while chunk := await request.content.readany():
            size += len(chunk)
            if size > limit:
                raise TooLargeError(_limit_text(limit))
            yield chunk
    except web.RequestPayloadError as error:
        raise BadRequestError("The body cannot be read to its end.") from error


async def read_within(request: web.Request, limit: int) -> bytes:
    """Read the whole body, at most `limit` bytes of it, within a minute."""
    if (request.content_length or 0) > limit:
        raise TooLargeError(_limit_text(limit))
    if request.content.is_eof():  # it came with the head, as small bodies do
        body = request.content.read_nowait(-1)
        if len(body) > limit:
            raise TooLargeError(_limit_text(limit))
        return body
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return b"".join([chunk async for chunk in chunks_within(request, limit)])
    except TimeoutError as error:
        raise SlowRequestError from error


def check_media(content_type: str | None, accepts: tuple[str, ...]) -> None:
    """Refuse a media type that is not in `accepts`, and JSON that is not UTF-8."""
    media, charset = _media(content_type or "")
    if media not in accepts:
        raise UnsupportedMediaError(f"Send {' or '.join(accepts)}.")
    if media == JSON_MEDIA and charset not in {"", "utf-8", "utf8"}:
        raise UnsupportedMediaError(f"Send {JSON_MEDIA} in UTF-8.")


def json_parser(model: type[Model]) -> Callable[[bytes], Model]:
    """Make a function that turns a JSON body into the model, each value of the type it names."""
    validate = partial(model.__pydantic_validator__.validate_json, strict=True)

    def parse(body: bytes) -> Model:
        body = body.removeprefix(BOM_UTF8)
        # pydantic lets pass: numbers that JSON does not have or no computer can hold, and text
        # that PostgreSQL cannot store.
        if b"NaN" in body or b"Infinity" in body or _HUGE.search(body):
            _load(body)
        if holds_nul(body):
            raise _nul_error(_load(body))
        try:
            return cast("Model", validate(body))
        except ValidationError as error:
            raise _json_error(error, body) from error

    return parse


def _nul_error(document: object) -> InvalidError:
    """Name the first text that holds U+0000; a key that holds it has no pointer."""
    places = (steps for steps, text in texts_within(document) if "\0" in text)
    faults = [{"pointer": json_pointer(steps), "detail": NO_NUL} for steps in islice(places, 1)]
    return InvalidError(f"{NO_NUL}.", errors=faults)


def query_parser(model: type[Model]) -> Callable[[web.Request], Model]:
    """Make a function that turns the query parameters into the model."""
    read = _fields_reader(model, "?")
    return lambda request: read(request.query.items())


def form_parser(model: type[Model]) -> Callable[[bytes], Model]:
    """Make a function that turns a form, as a browser sends it, into the model."""
    read = _fields_reader(model, "/")

    def parse(body: bytes) -> Model:
        try:
            fields = parse_qsl(
                body.decode(errors="replace"),
                keep_blank_values=True,
                max_num_fields=MAX_FORM_FIELDS,
            )
        except ValueError as error:
            raise InvalidError(f"A form has at most {MAX_FORM_FIELDS} fields.") from error
        return read(fields)

    return parse


def _fields_reader(model: type[Model], mark: str) -> Callable[[Iterable[tuple[str, str]]], Model]:
    """Make a function that turns named texts into the model; `mark` tells where they stand."""
    validate = model.__pydantic_validator__.validate_python
    lists = _list_parameters(model)

    def read(fields: Iterable[tuple[str, str]]) -> Model:
        values: dict[str, Any] = {}
        for name, value in fields:
            if "\0" in name or "\0" in value:
                raise _fields_error(mark, [(name, NO_NUL)])
            if name in lists:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise _fields_error(mark, [(name, "Given more than once")])
            else:
                values[name] = value
        try:
            return cast("Model", validate(values))
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False, include_context=False)
            raise _fields_error(
                mark, [(str((fault["loc"] or ("",))[0]), _text(fault["msg"])) for fault in faults]
            ) from error

    return read


def uuid_in_path(text: str) -> UUID | None:
    """Read an id in an address; what is no id names nothing."""
    try:
        return UUID(text)
    except ValueError:
        return None


def refuse_query(request: web.Request) -> None:
    """For addresses that take no query parameters: a misspelt one is not silently ignored."""
    if request.query:
        raise _fields_error(
            "?", [(name, "Unknown parameter") for name in dict.fromkeys(request.query)]
        )


def read_idempotency_key(request: web.Request) -> str | None:
    """Read the Idempotency-Key, sent bare or as a quoted string of RFC 8941."""
    if "Idempotency-Key" not in request.headers:
        return None
    given = request.headers.getall("Idempotency-Key")
    text = given[0].strip(" \t")
    key = None
    if _BARE_KEY.fullmatch(text):
        key = text
    elif quoted := _QUOTED_KEY.fullmatch(text):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    if len(given) > 1 or not key or len(key) > KEY_LENGTH:
        raise BadRequestError(
            "Idempotency-Key takes 1 to 255 visible ASCII characters, bare or in double quotes."
        )
    return key


def read_path(request: web.Request) -> dict[str, str]:
    """Read the parameters in the path, percent-decoded."""
    path = dict(request.match_info)
    if any("\0" in value for value in path.values()):
        raise BadRequestError("A path may not hold the character U+0000.")
    return path


def pointer(steps: tuple[Step, ...], document: object, *, missing: bool) -> str:
    """Write a pydantic location as a JSON pointer: its steps without the names of union members."""
    found: list[Step] = []
    for position, step in enumerate(steps):
        last = position == len(steps) - 1
        match document:
            case dict() if step in document:
                document = cast("dict[Step, object]", document)[step]
            case list() if isinstance(step, int) and step < len(cast("list[object]", document)):
                document = cast("list[object]", document)[step]
            case _ if not (last and missing):
                continue
            case _:
                pass
        found.append(step)
    return json_pointer(found)


def _json_error(error: ValidationError, body: bytes) -> BadRequestError | InvalidError:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    if faults[0]["type"] == "json_invalid":
        return BadRequestError(faults[0]["msg"])
    document = _load(body)
    return InvalidError(
        errors=[
            {
                "pointer": pointer(fault["loc"], document, missing=fault["type"] == "missing"),
                "detail": _text(fault["msg"]),
            }
            for fault in faults[:MAX_FAULTS]
        ]
    )


def _fields_error(mark: str, faults: list[tuple[str, str]]) -> InvalidError:
    return InvalidError(
        errors=[
            {"pointer": f"{mark}{name}", "detail": detail} for name, detail in faults[:MAX_FAULTS]
        ]
    )


def _load(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"Invalid JSON: {error}") from error


def _text(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _limit_text(limit: int) -> str:
    return f"This address takes at most {limit} bytes."


@lru_cache(maxsize=256)
def _media(content_type: str) -> tuple[str, str]:
    media, _, parameters = content_type.partition(";")
    charset = re.search(r'charset="?([^\s;"]+)', parameters, re.IGNORECASE)
    return media.strip().lower(), charset[1].lower() if charset else ""


def _list_parameters(model: type[BaseModel]) -> frozenset[str]:
    properties: dict[str, dict[str, Any]] = model.model_json_schema().get("properties", {})
    return frozenset(
        name
        for name, schema in properties.items()
        if any(part.get("type") == "array" for part in (schema, *schema.get("anyOf", ())))
    )
