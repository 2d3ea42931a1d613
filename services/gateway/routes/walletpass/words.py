"""What callers of the WalletPass.ai API send and get: envelopes, errors, warnings.

Names and defaults are those of its page "Pass Generation"; what that does not say is ours.
"""

import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

import orjson
from aiohttp import hdrs, web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.gateway.routes.words import Words, is_none, place_of
from shared import clock
from shared.contracts.member import MEMBER_ID, MEMBER_TEXTS, REASON, TextForm
from shared.errors import ApplicationError, NotFoundError
from shared.http.parsing import JSON_MEDIA
from shared.http.problems import with_headers

MAX_COMPANY: Final = 64
MAX_TITLE: Final = 150
MAX_BARCODE: Final = 1024
MAX_FAULTS: Final = 100

Data = TypeVar("Data")


def shaped(form: TextForm) -> Any:  # noqa: ANN401 - as pydantic's Field
    """Describe a text as its owner checks it."""
    return Field(max_length=form.max_length, json_schema_extra={"pattern": f"^({form.pattern})$"})


def _check(form: TextForm) -> AfterValidator:
    def check(text: str) -> str:
        if not form.fits(text):
            raise ValueError("It has characters that are not taken here")
        return text

    return AfterValidator(check)


MemberId = Annotated[str, shaped(MEMBER_ID), _check(MEMBER_ID)]
MemberName = Annotated[str, shaped(MEMBER_TEXTS["name"]), _check(MEMBER_TEXTS["name"])]
MemberEmail = Annotated[str, shaped(MEMBER_TEXTS["email"]), _check(MEMBER_TEXTS["email"])]
Phone = Annotated[str, shaped(MEMBER_TEXTS["phone"]), _check(MEMBER_TEXTS["phone"])]
ExternalId = Annotated[
    str, shaped(MEMBER_TEXTS["external_id"]), _check(MEMBER_TEXTS["external_id"])
]
Tier = Annotated[str, shaped(MEMBER_TEXTS["tier"]), _check(MEMBER_TEXTS["tier"])]
Description = Annotated[str, shaped(REASON), _check(REASON)]


_COMPLETE_DATE: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)"
)


def _check_expiration(text: str) -> str:
    if not _COMPLETE_DATE.fullmatch(text):
        raise ValueError("A date with time and zone is needed, as 2038-01-31T23:59:59+01:00")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("There is no such day or time") from None
    if moment <= clock.now():
        raise ValueError("The date has passed")
    return text


ExpirationDate = Annotated[
    str,
    Field(max_length=40, json_schema_extra={"format": "date-time"}),
    AfterValidator(_check_expiration),
]
"""Kept as it is written."""


class Success(BaseModel, Generic[Data]):
    """What was done."""

    status: Literal["success"] = "success"
    message: str | None = Field(default=None, exclude_if=is_none)
    data: Data
    warnings: list[str] | None = Field(
        default=None,
        exclude_if=is_none,
        description="What was ignored or is odd, if anything is.",
    )

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name what holds one kind of data in documents."""
        return f"{params[0].model_config['title']}Answer"


class ErrorPlace(BaseModel):
    """One thing that is wrong."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="WalletPassFault")

    path: str = Field(description="Where in the body, as `rules[0].min_points`.")
    message: str


class Failure(BaseModel):
    """Why a request failed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="WalletPassError")

    status: Literal["error"] = "error"
    message: str
    code: str = Field(description="The stable name of this kind of error.")
    errors: list[ErrorPlace] = Field(description="The single faults.")


def warnings_of(body: Words, more: Iterable[str] = ()) -> list[str] | None:
    """Name the keys that were ignored, and say what else is odd."""
    found = [f"{name}: unknown, ignored" for name in body.unknown_names()]
    return [*found, *more] or None


@contextmanager
def naming(place: str) -> Generator[None]:
    """Let what is not found name the place in the body that named it."""
    try:
        yield
    except NotFoundError as error:
        error.errors = [{"pointer": f"/{place}", "detail": error.detail}]
        raise


_STATUSES: Final = {
    HTTPStatus.REQUEST_TIMEOUT: HTTPStatus.BAD_REQUEST,
    HTTPStatus.GONE: HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.BAD_REQUEST,
}
"""Our statuses → those of this API."""


def write_failure(error: ApplicationError) -> web.Response:
    """Write an error in this API's envelope."""
    body = {
        "status": "error",
        "message": error.detail,
        "code": error.code,
        "errors": [
            {"path": place_of(fault), "message": str(fault.get("detail", error.detail))}
            for fault in error.errors[:MAX_FAULTS]
        ],
    }
    response = web.Response(
        body=orjson.dumps(body),
        status=_STATUSES.get(HTTPStatus(error.status), error.status),
        headers={hdrs.CONTENT_TYPE: JSON_MEDIA},
    )
    return with_headers(response, error)
