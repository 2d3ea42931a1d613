"""What PassSource's callers send and get: loose parameters in, JSON with `success` out."""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import parse_qsl

import orjson
from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ConfigDict, Field, RootModel

from services.gateway.usecases.passes import Change
from shared.contracts.triggers import EventKind
from shared.errors import ApplicationError, InvalidError, TooLargeError
from shared.http.endpoint import JSON_MEDIA, MEBIBYTE
from shared.http.limiting import RateLimitedError
from shared.http.parsing import BODY_SECONDS, FORM_MEDIA, NO_NUL, read_within
from shared.passes.schema.encodings import encoding_name
from shared.passes.schema.slots import IMAGE_PATHS, IMAGE_SLOTS
from shared.passes.schema.values import TRUE_WORDS, holds_nul, json_pointer, texts_within

MAX_FORM_BYTES: Final = 4 * MEBIBYTE
MAX_UPLOAD_BYTES: Final = 32 * MEBIBYTE
MAX_PARAMETERS: Final = 500
MAX_PLACE_CHARACTERS: Final = 200
JSON_FIELD: Final = "JSON"
FORM_MARK: Final = "psForm"
FORM_STEP: Final = "psStep"
FORM_ACTION: Final = "psAction"
"""What forms of ours carry besides values: their mark, and which button was pressed."""

CREDENTIALS: Final = frozenset({"clientHash", "templateHash", "hashedSerialNumber"})
"""They count in the query only."""

ACCESS_TYPES: Final[tuple[EventKind, ...]] = (
    "check", "create", "install", "device_update", "register", "push", "remove", "scan", "edit",
)  # fmt: skip
"""Kinds of events by the number that PassSource gives them."""

TRIGGER_NAMES: Final = (
    "onCheck", "onCreate", "onInstall", "onDeviceUpdate", "onRegister", "push", "onDelete",
    "onScan", "onEdit",
)  # fmt: skip

_FALSE: Final = frozenset({"0", "false", "no", "off", ""})
_MULTIPART: Final = "multipart/form-data"
_PIECE: Final = 64 * 1024


FORM_MEDIAS: Final = (JSON_MEDIA, FORM_MEDIA, _MULTIPART)


class Form(BaseModel):
    """What else the function takes, by name: its parameters, and values by API path."""

    model_config = ConfigDict(
        extra="allow",
        title="PassSourceForm",
        json_schema_extra={"examples": [{"structure_headerFields_points_value": 120}]},
    )

    JSON: str | None = Field(None, description="In a form: more of it, as a JSON object.")


class Success(BaseModel):
    """It was done; what else the answer has depends on the function."""

    model_config = ConfigDict(extra="allow", title="PassSourceSuccess")

    success: Literal[True]


class Failure(BaseModel):
    """It was not done."""

    model_config = ConfigDict(title="PassSourceFailure")

    success: Literal[False]
    message: str = Field(description="Why.", examples=["There is no such function."])


class FunctionAnswer(RootModel[Annotated[Success | Failure, Field(discriminator="success")]]):
    """What became of the call of a function."""

    model_config = ConfigDict(title="PassSourceAnswer")


class ParameterError(InvalidError):
    """A parameter is missing or wrong."""

    code = "parameter_invalid"


@dataclass(frozen=True, slots=True)
class Words:
    """The parameters of one call: credentials from the query, all else from anywhere."""

    credentials: Mapping[str, str] = field(repr=False)
    values: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    named_in_body: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Credentials that stand elsewhere than in the query, where they give no right."""

    def text(self, name: str) -> str | None:
        """Read a parameter as text; None if it is not there."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, dict | list):
            raise ParameterError(f"{name} must be a text.")
        return value if isinstance(value, str) else orjson.dumps(value).decode()

    def need(self, name: str) -> str:
        """Read a parameter that must be there."""
        value = self.text(name)
        if value is None or not value:
            raise ParameterError(f"The parameter {name} is missing.")
        return value

    def flag(self, name: str) -> bool | None:
        """Read a truth value; None if it is not there."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in TRUE_WORDS | _FALSE:
            raise ParameterError(f"{name} must be true or false.")
        return value.lower() in TRUE_WORDS

    def number(self, name: str, usual: int, least: int) -> int:
        """Read a whole number."""
        value = self.text(name)
        if value is None or not value:
            return usual
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10):  # noqa: PLR2004 - room in 32 bits
            raise ParameterError(f"{name} must be a whole number.")
        if int(value) < least:
            raise ParameterError(f"{name} must be at least {least}.")
        return int(value)

    def document(self, name: str) -> dict[str, Any] | None:
        """Read an object, as JSON text or as it is; None if it is not there."""
        value = self.values.get(name)
        if isinstance(value, str):
            value = load_json(value.encode(), name) if value else None
        if value is None:
            return None
        if not isinstance(value, dict):
            raise ParameterError(f"{name} must be a JSON object.")
        return cast("dict[str, Any]", value)

    def access_type(self) -> EventKind:
        """Read which kind of event is meant, by its number or by the name of its trigger."""
        given = self.need("accessType")
        names = [str(number) for number in range(len(ACCESS_TYPES))]
        for known in (names, TRIGGER_NAMES):
            if given in known:
                return ACCESS_TYPES[known.index(given)]
        raise ParameterError(f"accessType must be a number from 0 to {len(ACCESS_TYPES) - 1}.")

    def paths(self, but: Iterable[str] = ()) -> dict[str, Any]:
        """Give all that names no parameter of the function: values by API path."""
        taken = {*but, JSON_FIELD}
        return {name: value for name, value in self.values.items() if name not in taken}


async def read_words(request: web.Request) -> Words:
    """Read the query and the body, whichever form it has; what comes later counts."""
    query = _plain(request.query.items())
    body: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    if request.method == hdrs.METH_POST and request.can_read_body:
        if request.content_type == _MULTIPART:
            body, files = await _read_multipart(request)
        else:
            body, files = await _read_form(request)
    for place in (query, body):
        packed = place.pop(JSON_FIELD, None)
        if isinstance(packed, str):
            raw = packed.encode("utf-8", "surrogatepass")
            place.update(_object(load_json(raw, JSON_FIELD)))
    credentials = {
        name: query[name] for name in CREDENTIALS & query.keys() if isinstance(query[name], str)
    }
    values = {**query, **body}
    return Words(
        credentials,
        {name: value for name, value in values.items() if name not in CREDENTIALS},
        files,
        {name: body[name] for name in CREDENTIALS & body.keys() if isinstance(body[name], str)},
    )


def load_json(raw: bytes, name: str) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Read JSON that a parameter holds."""
    try:
        found = orjson.loads(raw.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise ParameterError(f"{name} is not JSON: {error}.") from error
    if holds_nul(raw):
        places = (steps for steps, text in texts_within(found) if "\0" in text)
        place = json_pointer(next(places, ()))
        raise ParameterError(f"{_shortened(name + place)}: {NO_NUL}.")
    return found


def success(**facts: Any) -> web.Response:  # noqa: ANN401 - whatever the function answers
    """Answer that all went well."""
    return answer({"success": True, **facts})


def failure(error: ApplicationError) -> web.Response:
    """Answer what went wrong; only our own troubles and limits have another status than 200."""
    details = [f"{fault['pointer']}: {fault['detail']}" for fault in error.errors]
    message = " ".join([error.detail, "; ".join(details)]).strip()
    is_told = isinstance(error, RateLimitedError)
    is_told = is_told or error.status >= web.HTTPInternalServerError.status_code
    status = error.status if is_told else 200
    headers: dict[str, str] = dict(getattr(error, "headers", {})) if is_told else {}
    if status == web.HTTPServiceUnavailable.status_code:
        headers.setdefault(hdrs.RETRY_AFTER, "1")
    return answer({"success": False, "message": message}, status, headers)


def answer(
    facts: Mapping[str, Any], status: int = 200, headers: Mapping[Any, str] | None = None
) -> web.Response:
    """Write an answer that nobody keeps."""
    return web.Response(
        body=orjson.dumps(facts, default=str),
        status=status,
        headers={
            hdrs.CONTENT_TYPE: JSON_MEDIA,
            hdrs.CACHE_CONTROL: "no-store",
            **(headers or {}),
        },
    )


def moment(at: datetime | None) -> str | None:
    """Write a time as PassSource's callers read it: ISO 8601, in UTC."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def only_kind(kind: EventKind) -> Change:
    """Refuse what cannot be logged from outside: a pass is created once."""
    if kind in ("create", "expire"):
        raise ParameterError("accessType 1 is logged when a pass is created, and only then.")
    return kind


async def _read_form(request: web.Request) -> tuple[dict[str, Any], dict[str, bytes]]:
    raw = await read_within(request, MAX_FORM_BYTES)
    if request.content_type == JSON_MEDIA:
        return _object(load_json(raw, "The body")), {}
    if request.content_type not in {FORM_MEDIA, "application/octet-stream"}:
        raise ParameterError("Send a form, or JSON.")
    # Latin-1 is bytes as text: what was sent comes back whole, whatever it is.
    try:
        pairs = parse_qsl(
            raw.decode("latin-1"),
            keep_blank_values=True,
            encoding="latin-1",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError as error:
        raise ParameterError(f"A form has at most {MAX_PARAMETERS} fields.") from error
    return _sorted(
        ((name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs),
        request.charset,
    )


async def _read_multipart(request: web.Request) -> tuple[dict[str, Any], dict[str, bytes]]:
    parts: list[tuple[bytes, bytes]] = []
    room = MAX_UPLOAD_BYTES
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader) or part.name is None:
                    raise ParameterError("The form cannot be read.")
                content = await _read_part(part, room)
                room -= len(content)
                parts.append((part.name.encode("utf-8", "surrogateescape"), content))
                if len(parts) > MAX_PARAMETERS:
                    raise ParameterError(f"A form has at most {MAX_PARAMETERS} fields.")
    except TimeoutError:
        raise ParameterError("The form did not arrive in time.") from None
    except (ValueError, AssertionError, HttpProcessingError, web.RequestPayloadError) as error:
        raise ParameterError("The form cannot be read.") from error
    return _sorted(parts, None)


def _sorted(
    pairs: Iterable[tuple[bytes, bytes]], charset: str | None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Tell pictures from texts by their content: not every client gives a picture a file name."""
    texts: list[tuple[str, str]] = []
    files: dict[str, bytes] = {}
    for raw_name, content in pairs:
        name = _text(raw_name, charset)
        if (name in IMAGE_SLOTS or name in IMAGE_PATHS) and not _is_text(content):
            files[name] = content
        else:
            texts.append((name, _text(content, charset)))
    return _plain(texts), files


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _text(content: bytes, charset: str | None) -> str:
    """Read text in the character set that was named, else UTF-8, else what Windows sends."""
    for name in (encoding_name(charset or ""), "utf-8", "cp1252"):
        with suppress(ValueError):
            if name:
                return content.decode(name)
    return content.decode("utf-8", "replace")


async def _read_part(part: BodyPartReader, room: int) -> bytes:
    content = bytearray()
    while piece := await part.read_chunk(_PIECE):
        content += piece
        if len(content) > room:
            raise TooLargeError(f"A form has at most {MAX_UPLOAD_BYTES // MEBIBYTE} MiB.")
    return bytes(content)


def _plain(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Take the last of each name."""
    found = dict(pairs)
    for name, value in found.items():
        if "\0" in name or "\0" in value:
            raise ParameterError(f"{_shortened(name)}: {NO_NUL}.")
    if len(found) > MAX_PARAMETERS:
        raise ParameterError(f"A call has at most {MAX_PARAMETERS} parameters.")
    return dict(found)


def _shortened(name: str) -> str:
    return name.replace("\0", "\\0")[:MAX_PLACE_CHARACTERS]


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ParameterError("JSON must hold an object.")
    return cast("dict[str, Any]", value)
