"""What callers of the Pass2U API send and get: its keys, its limits, its errors.

Names, types and lengths are those of its user guide, version 2.2.3. What is null counts as left
out, as programs write what they have not set.
"""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, ClassVar, Final, Literal

import orjson
from aiohttp import hdrs, web
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic.alias_generators import to_camel

from services.gateway.routes.words import Words, is_none, place_of
from shared.errors import ApplicationError, UnavailableError
from shared.http.parsing import JSON_MEDIA, WHOLE
from shared.http.problems import with_headers
from shared.passes.schema.strings import is_uuid
from shared.passes.schema.values import is_list, is_number

MAX_SHOWN_FAULTS: Final = 10
MAX_PLACES: Final = 10
"""Beacons and locations of a pass."""

_COMPLETE_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")


def _check_date(text: str) -> str:
    if _COMPLETE_DATE.fullmatch(text):
        try:
            datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return text
    raise ValueError(
        "A complete date with hours, minutes, seconds and time zone is needed, such as "
        "2018-10-18T16:53:00+08:00"
    )


def _check_message(text: str) -> str:
    if text and "%@" not in text:  # an empty one says nothing
        raise ValueError("It must contain %@, which is replaced with the new value")
    return text


def _check_uuid(text: str) -> str:
    if not is_uuid(text):
        raise ValueError("A UUID is needed")
    return text


def _kind_of_value(value: object) -> str:
    return "number" if is_number(value) else "text"


def _kind_of_barcode(value: object) -> str:
    return "list" if is_list(value) else "object"


CompleteDate = Annotated[
    str,
    Field(max_length=30, json_schema_extra={"format": "date-time"}),
    AfterValidator(_check_date),
]
RelevantText = Annotated[str, Field(max_length=255, description="Shown on the lock screen.")]
Unsigned16 = Annotated[int, Field(ge=0, le=65535), WHOLE]


class _Words(Words):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=to_camel, validate_by_alias=True
    )


class PassImage(_Words):
    """An image that the pass shows instead of the model's."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="ModelPassImage")

    type: Literal["icon", "logo", "strip", "background", "thumbnail", "footer"]
    hex: str = Field(max_length=50, description="As the upload of the image answered.")


class Beacon(_Words):
    """A Bluetooth beacon near which the pass is shown."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="ModelPassBeacon")

    proximity_uuid: Annotated[str, Field(max_length=36), AfterValidator(_check_uuid)] = Field(
        alias="proximityUUID"
    )
    major: Unsigned16 | None = None
    minor: Unsigned16 | None = None
    minjor: Unsigned16 | None = Field(None, description="`minor`, as the user guide spells it.")
    relevant_text: RelevantText | None = None


class Location(_Words):
    """A place near which the pass is shown."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="ModelPassLocation")

    latitude: float = Field(ge=-90, le=90, description="In degrees.")
    longitude: float = Field(ge=-180, le=180, description="In degrees.")
    altitude: float | None = Field(None, description="In metres.")
    relevant_text: RelevantText | None = None


class Barcode(_Words):
    """What the barcode says, and the text below it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="ModelPassBarcode")

    message: str | None = Field(
        None, max_length=7089, description="Stays for as long as the pass lives."
    )
    alt_text: str | None = Field(None, max_length=35)


class FieldValue(_Words):
    """What a pass says in a dynamic field of its model; what is left out stays."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="ModelPassField")

    key: str = Field(min_length=1, max_length=100, description="The key of the model's field.")
    label: str | None = Field(None, max_length=150)
    value: (
        Annotated[
            Annotated[str, Field(max_length=5000), Tag("text")]
            | Annotated[int | float, Tag("number")],
            Discriminator(_kind_of_value),
        ]
        | None
    ) = Field(None, description="A text, an ISO 8601 date as a text, or a number.")
    change_message: Annotated[str, Field(max_length=80), AfterValidator(_check_message)] | None = (
        Field(
            None,
            json_schema_extra={"pattern": "^$|%@"},
            description="What the lock screen says when the value changes: contains `%@`, or "
            "nothing.",
        )
    )


class PassData(_Words):
    """What a pass has of its own; for what is left out it shows the model's, or keeps its own.

    `images` replaces all of them: what is not named is not shown, but for the icon.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="ModelPass",
        json_schema_extra={
            "examples": [
                {
                    "expirationDate": "2038-12-31T23:00:15+08:00",
                    "backgroundColor": "rgb(237, 219, 21)",
                    "barcode": {"message": "2468013579", "altText": "2468013579"},
                    "fields": [
                        {"key": "name", "value": "Fi-Lin, Chen"},
                        {"key": "level", "value": "GOLD"},
                    ],
                    "locations": [
                        {
                            "latitude": 25.0413093,
                            "longitude": 121.5526933,
                            "relevantText": "Store nearby on 1st and Main.",
                        }
                    ],
                }
            ],
        },
    )

    description: str | None = Field(None, max_length=255)
    organization_name: str | None = Field(None, max_length=100)
    passcode: str | None = Field(
        None,
        max_length=100,
        repr=False,
        description="Asked for by the pass's public pages. An empty text takes it away.",
    )
    associated_store_identifiers: (
        Annotated[list[Annotated[int, Field(ge=0, le=99_999_999_999), WHOLE]], Field(max_length=1)]
        | None
    ) = None
    app_launch_url: str | None = Field(None, alias="appLaunchURL", max_length=255)
    associated_play_identifiers: (
        Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=1)] | None
    ) = None
    android_app_launch_url: str | None = Field(None, alias="androidAppLaunchURL", max_length=255)
    expiration_date: CompleteDate | None = None
    voided: bool | None = None
    max_distance: float | None = Field(None, ge=0, description="In metres.")
    relevant_date: CompleteDate | None = None
    background_color: str | None = Field(None, max_length=18, examples=["rgb(23, 187, 82)"])
    foreground_color: str | None = Field(None, max_length=30, examples=["rgb(100, 10, 110)"])
    label_color: str | None = Field(None, max_length=18, examples=["rgb(255, 255, 255)"])
    grouping_identifier: str | None = Field(
        None, max_length=50, description="Only for event tickets and boarding passes."
    )
    logo_text: str | None = Field(None, max_length=35)
    sharing_prohibited: bool | None = None
    images: Annotated[list[PassImage], Field(max_length=6)] | None = None
    beacons: Annotated[list[Beacon], Field(max_length=MAX_PLACES)] | None = None
    locations: Annotated[list[Location], Field(max_length=MAX_PLACES)] | None = None
    barcode: (
        Annotated[
            Annotated[Barcode, Tag("object")]
            | Annotated[list[Barcode], Field(max_length=10), Tag("list")],
            Discriminator(_kind_of_barcode),
        ]
        | None
    ) = None
    fields_: Annotated[list[FieldValue], Field(max_length=200)] | None = Field(None, alias="fields")


class Issued(BaseModel):
    """A pass that was created, and what the model's barcode and date say on it."""

    model_config = ConfigDict(title="CreatedModelPass")

    barcodeMessage: str  # noqa: N815  the reference's names
    modelId: int  # noqa: N815
    passId: str = Field(description="The handle of the pass.")  # noqa: N815
    createdTime: str = Field(description="With the account's offset.")  # noqa: N815
    expirationDate: str | None  # noqa: N815
    warnings: list[str] | None = Field(
        None, exclude_if=is_none, description="What was ignored, if anything was."
    )


class Updated(BaseModel):
    """A pass that was updated."""

    model_config = ConfigDict(title="UpdatedModelPass")

    barcodeMessage: str  # noqa: N815
    modelId: int  # noqa: N815
    passId: str  # noqa: N815
    updatedTime: str  # noqa: N815
    expirationDate: str | None  # noqa: N815
    warnings: list[str] | None = Field(
        None, exclude_if=is_none, description="What was ignored, if anything was."
    )


class UploadedImage(BaseModel):
    """An image, ready to be named by its hexadecimal hash."""

    model_config = ConfigDict(title="ModelImage")

    hex: str = Field(pattern="^[0-9a-f]{40}$", description="The SHA-1 of its pixels as a PNG.")


class Message(BaseModel):
    """Why a request failed."""

    model_config = ConfigDict(title="ErrorMessage")

    message: str


class NotAcceptableError(ApplicationError):
    """The answer cannot be given in any of the media types that the request accepts."""

    status = 405
    code = "not_acceptable"


_STATUSES: Final = {
    HTTPStatus.UNAUTHORIZED: HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT: HTTPStatus.BAD_REQUEST,
    HTTPStatus.GONE: HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
}
"""Our statuses → those of the reference's table."""

_TOO_LATE: Final = "no_answer"
"""The code of an UnavailableError that is the owner's being late."""


def write_message(error: ApplicationError) -> web.Response:
    """Write an error as Pass2U does: a message, with a status of its table."""
    status = _STATUSES.get(HTTPStatus(error.status), error.status)
    if isinstance(error, UnavailableError) and error.code == _TOO_LATE:
        status = HTTPStatus.GATEWAY_TIMEOUT
    response = web.Response(
        body=orjson.dumps({"message": _text(error)}),
        status=status,
        headers={hdrs.CONTENT_TYPE: JSON_MEDIA},
    )
    return with_headers(response, error)


def _text(error: ApplicationError) -> str:
    faults = [
        f"{place}: {fault['detail']}" if (place := place_of(fault)) else str(fault["detail"])
        for fault in error.errors[:MAX_SHOWN_FAULTS]
    ]
    return "; ".join(faults) or error.detail
