"""The one table: routing, validation and OpenAPI all come from a list of `Endpoint`s."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel

from shared.errors import ApplicationError
from shared.http import parsing
from shared.http.parsing import JSON_MEDIA
from shared.http.problems import ErrorWriter, write_problem

MEBIBYTE = 1024 * 1024

Body_co = TypeVar("Body_co", covariant=True)
Query_co = TypeVar("Query_co", covariant=True)
Authenticate = Callable[[web.Request, str], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Call(Generic[Body_co, Query_co]):
    """One request, parsed and checked, as its handler gets it."""

    request: web.Request
    body: Body_co
    query: Query_co
    path: dict[str, str]
    caller: Any
    idempotency_key: str | None
    body_limit: int

    async def read(self) -> bytes:
        """Read the body of a raw endpoint, within its limit."""
        return await parsing.read_within(self.request, self.body_limit)

    def chunks(self) -> AsyncIterator[bytes]:
        """Read the body of a raw endpoint as it arrives, within its limit."""
        return parsing.chunks_within(self.request, self.body_limit)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose status or headers the handler decides; bytes are sent as they are."""

    model: BaseModel | bytes | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Answer = BaseModel | Reply | web.StreamResponse | None


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Body_co, Query_co]):
    """One address: who may ask it, what it takes, what it answers."""

    method: str
    path: str
    handler: Callable[[Call[Body_co, Query_co]], Awaitable[Answer]]
    _: KW_ONLY
    summary: str
    tag: str
    scope: str | None  # None: public
    body: type[Body_co] | None = None
    query: type[Query_co] | None = None
    returns: type[BaseModel] | None = None
    status: int = 200
    also: tuple[int, ...] = ()  # other statuses of success; 204, 303 and 304 have no body
    errors: tuple[type[ApplicationError], ...] = ()
    body_limit: int = MEBIBYTE
    raw: bool = False  # the handler reads the body by itself
    media: str = JSON_MEDIA  # of the answer; empty: it has no body
    also_media: tuple[str, ...] = ()  # in which the handler may answer, too
    accepts: tuple[str, ...] = ()  # media types of a raw body; empty: any
    described: tuple[str, ...] = ()  # media types in documents, of a body that may be anything
    description: str = ""
    deprecated: bool = False
    dialect: str = ""  # within which its handler's name is unique
    write_error: ErrorWriter = write_problem  # as the callers of this dialect read errors
    other_errors: Mapping[str, type[BaseModel] | None] = field(  # media types of errors, too
        default_factory=dict[str, type[BaseModel] | None]
    )
    writes_no_problems: bool = False  # all errors are of `other_errors`, none a problem
    shown: tuple[str, ...] = ()  # the paths in documents, where the routed one takes several
    hidden: bool = False  # not in documents: nobody is meant to ask it
    credential: str = ""  # the security scheme by which the handler itself knows the caller
    parameters: tuple[Mapping[str, Any], ...] = ()  # which it reads by itself, as OpenAPI says it

    @property
    def name(self) -> str:
        """The operationId: the handler's name, behind its dialect's; ours has none."""
        handler: Any = self.handler
        while isinstance(handler, partial):
            handler = handler.func
        return f"{self.dialect}_{handler.__name__}" if self.dialect else handler.__name__

    @property
    def takes_key(self) -> bool:
        """Whether the address reads an Idempotency-Key."""
        return self.method == hdrs.METH_POST

    @property
    def reads_json(self) -> bool:
        """Whether the body is parsed before the handler is called."""
        return self.body is not None and not self.raw


AnyEndpoint = Endpoint[Any, Any]


def routes(endpoints: Sequence[AnyEndpoint], *, authenticate: Authenticate) -> list[web.RouteDef]:
    """Make the routes of a table, for `web.Application.add_routes`."""
    names = [endpoint.name for endpoint in endpoints]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two endpoints of a dialect share a name: {', '.join(sorted(twice))}")
    return [_route(endpoint, authenticate) for endpoint in endpoints]


def _route(endpoint: AnyEndpoint, authenticate: Authenticate) -> web.RouteDef:
    serve = _serve(endpoint, authenticate)
    if endpoint.method == hdrs.METH_GET:
        return web.get(endpoint.path, serve)  # and HEAD
    return web.route(endpoint.method, endpoint.path, serve)


def _serve(
    endpoint: AnyEndpoint, authenticate: Authenticate
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    handler, scope, limit = endpoint.handler, endpoint.scope, endpoint.body_limit
    takes_key, has_path = endpoint.takes_key, "{" in endpoint.path
    read_query, read_body, respond = _query(endpoint), _body(endpoint), _responder(endpoint)

    async def serve(request: web.Request) -> web.StreamResponse:
        caller = None if scope is None else await authenticate(request, scope)
        call: Call[Any, Any] = Call(
            request=request,
            path=parsing.read_path(request) if has_path else {},
            idempotency_key=parsing.read_idempotency_key(request) if takes_key else None,
            query=read_query(request) if read_query else None,
            body=await read_body(request) if read_body else None,
            caller=caller,
            body_limit=limit,
        )
        return respond(await handler(call))

    # The middleware finds it here also for what is refused before the handler is called.
    serve.write_error = endpoint.write_error  # type: ignore[attr-defined]
    return serve


def _query(endpoint: AnyEndpoint) -> Callable[[web.Request], Any] | None:
    if endpoint.query is not None:
        return parsing.query_parser(endpoint.query)
    return None if endpoint.raw else parsing.refuse_query


def _body(endpoint: AnyEndpoint) -> Callable[[web.Request], Awaitable[Any]] | None:
    limit, accepts = endpoint.body_limit, endpoint.accepts
    if endpoint.raw:
        if not accepts:
            return None

        async def check(request: web.Request) -> None:
            parsing.check_media(request.headers.get(hdrs.CONTENT_TYPE), accepts)

        return check
    if endpoint.body is None:
        return None
    parse = parsing.json_parser(endpoint.body)

    async def read(request: web.Request) -> Any:  # noqa: ANN401  (the endpoint's body model)
        parsing.check_media(request.headers.get(hdrs.CONTENT_TYPE), (JSON_MEDIA,))
        return parse(await parsing.read_within(request, limit))

    return read


def _responder(endpoint: AnyEndpoint) -> Callable[[Answer], web.StreamResponse]:
    usual, media = endpoint.status, {hdrs.CONTENT_TYPE: endpoint.media}

    def respond(answer: Answer) -> web.StreamResponse:
        if isinstance(answer, BaseModel):
            return web.Response(body=_json(answer), status=usual, headers=media)
        if isinstance(answer, Reply):
            content = answer.model
            body = _json(content) if isinstance(content, BaseModel) else content
            headers = answer.headers if body is None else {**media, **answer.headers}
            return web.Response(body=body, status=answer.status or usual, headers=headers)
        if answer is None:
            return web.Response(status=usual)
        return answer

    return respond


def _json(model: BaseModel) -> bytes:
    return model.__pydantic_serializer__.to_json(model, by_alias=True)
