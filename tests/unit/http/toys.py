"""A toy table of endpoints: a shop of teapots, with every kind of address there is."""

import asyncio
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import Page, PageQuery, decode_cursor, encode_cursor
from shared.http.parsing import WholeNumber


class TeapotNotFoundError(NotFoundError):
    """There is no such teapot."""

    code = "teapot_not_found"


class Handle(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["handle"]
    material: str = Field(max_length=20)


class Spout(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["spout"]
    length: WholeNumber = Field(ge=1)


class NewTeapot(BaseModel):
    """A teapot to be made."""

    model_config = ConfigDict(extra="forbid")
    colour: str = Field(min_length=1, max_length=40, description="Its glaze.", examples=["celadon"])
    litres: float = Field(1.0, gt=0, allow_inf_nan=False)
    parts: list[Handle | Spout] = []
    labels: dict[str, str] = {}
    lid: "NewTeapot | None" = None


class NewTeapots(BaseModel):
    teapots: list[NewTeapot] = Field(min_length=1, max_length=3)


class Teapot(BaseModel):
    """A teapot on the shelf."""

    handle: str
    colour: str
    made_by: str


class Count(BaseModel):
    count: int
    idempotency_key: str | None


class TeapotQuery(PageQuery):
    colours: list[str] = Field([])
    since: int | None = None


async def make_teapot(call: Call[NewTeapot, None]) -> Reply:
    teapot = Teapot(handle="brown-betty", colour=call.body.colour, made_by=call.caller)
    return Reply(teapot, headers={"Location": "/teapots/brown-betty"})


async def make_teapots(call: Call[NewTeapots, None]) -> Count:
    return Count(count=len(call.body.teapots), idempotency_key=call.idempotency_key)


async def show_teapot(call: Call[None, None]) -> Teapot:
    if call.path["handle"] == "broken":
        raise TeapotNotFoundError
    return Teapot(handle=call.path["handle"], colour="brown", made_by="betty")


async def list_teapots(call: Call[None, TeapotQuery]) -> Page[Teapot]:
    start = decode_cursor(call.query.cursor)["start"] if call.query.cursor else 0
    teapots = [
        Teapot(handle=f"pot-{number}", colour=colour, made_by="betty")
        for number, colour in enumerate(call.query.colours)
    ]
    end = start + call.query.limit
    cursor = encode_cursor({"start": end}) if end < len(teapots) else None
    return Page[Teapot](data=teapots[start:end], next_cursor=cursor)


async def break_teapot(_call: Call[None, None]) -> None:
    return None


async def upload_picture(call: Call[None, None]) -> Count:
    return Count(count=len(await call.read()), idempotency_key=None)


async def stream_leaves(call: Call[None, None]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(call.request)
    await response.write(b"oolong\n")
    match call.path["end"]:
        case "crash":
            raise RuntimeError("a leaf got stuck")
        case "reset":
            raise ConnectionResetError
        case "never":
            while True:
                await response.write(b"oolong\n" * 1000)
                await asyncio.sleep(0)
        case _:
            await response.write_eof()
    return response


async def fail_somehow(call: Call[None, None]) -> None:
    match call.path["how"]:
        case "bug":
            raise RuntimeError("secret recipe")
        case "away":
            raise UnavailableError
        case "slow":
            async with asyncio.timeout(0.001):
                await asyncio.sleep(1)
        case "reset":
            raise ConnectionResetError
        case "redirect":
            raise web.HTTPSeeOther("/teapots")
        case "page":
            raise web.HTTPNotFound(text="<h1>Gone fishing</h1>", content_type="text/html")
        case _:
            raise ConflictError("The kettle is black.", errors=[{"pointer": "/", "detail": "x"}])


async def show_page(_call: Call[None, None]) -> web.Response:
    return web.Response(text="<h1>Tea</h1>", content_type="text/html")


async def authenticate(request: web.Request, scope: str) -> str:
    match request.headers.get("X-API-Key"):
        case "betty":
            return "betty"
        case "reader" if scope.endswith(":read"):
            return "reader"
        case "reader":
            raise ForbiddenError
        case _:
            raise UnauthorizedError


WRITE, READ = "teapots:write", "teapots:read"
ENDPOINTS: list[AnyEndpoint] = [
    Endpoint(
        "POST",
        "/teapots",
        make_teapot,
        summary="Make a teapot",
        tag="teapots",
        scope=WRITE,
        body=NewTeapot,
        returns=Teapot,
        status=201,
        errors=(ConflictError,),
        body_limit=2000,
    ),
    Endpoint(
        "POST",
        "/teapots/batch",
        make_teapots,
        summary="Make several teapots",
        tag="teapots",
        scope=WRITE,
        body=NewTeapots,
        returns=Count,
    ),
    Endpoint(
        "GET",
        "/teapots",
        list_teapots,
        summary="List teapots",
        tag="teapots",
        scope=READ,
        query=TeapotQuery,
        returns=Page[Teapot],
    ),
    Endpoint(
        "GET",
        "/teapots/{handle}",
        show_teapot,
        summary="Show a teapot",
        tag="teapots",
        scope=None,
        returns=Teapot,
        errors=(TeapotNotFoundError,),
    ),
    Endpoint(
        "DELETE",
        r"/teapots/{handle:[a-z-]{1,20}}",
        break_teapot,
        summary="Break a teapot",
        tag="teapots",
        scope=WRITE,
        status=204,
        deprecated=True,
    ),
    Endpoint(
        "PUT",
        "/pictures/{handle}",
        upload_picture,
        summary="Upload a picture",
        description="Replaces the one before.",
        tag="pictures",
        scope=None,
        returns=Count,
        raw=True,
        accepts=("image/png",),
        body_limit=100,
    ),
    Endpoint(
        "GET",
        "/leaves/{end}",
        stream_leaves,
        summary="Read the leaves",
        tag="pictures",
        scope=None,
        raw=True,
        media="text/plain",
    ),
    Endpoint(
        "GET", "/fail/{how}", fail_somehow, summary="Fail", tag="trouble", scope=None, status=204
    ),
    Endpoint(
        "GET",
        "/page",
        show_page,
        summary="Show a page",
        tag="trouble",
        scope=None,
        raw=True,
        media="text/html",
    ),
]
