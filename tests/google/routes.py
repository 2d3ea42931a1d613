"""Google's HTTP: tokens, the REST interface, callback keys, save links; and a door for holders."""

import asyncio
import html
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web

from tests.google.accounts import GOOGLES_TOKEN_URL, ServiceAccount
from tests.google.documents import Document, is_document
from tests.google.errors import GoogleError, LinkError, TokenError, denied, invalid, unreadable
from tests.google.faults import Fault
from tests.google.holders import HOLDER
from tests.google.links import Link, open_link, read_token
from tests.google.resources import KINDS, Change, Kind, Resource
from tests.google.rules import image_urls, issuer_of
from tests.google.world import Request, World

BASE: Final = "/walletobjects/v1"
HOLDERS: Final = ("/gp/v/save/", "/cards")
PAGE: Final = """<!doctype html><meta charset=utf-8><title>Save to Google Wallet (a fake)</title>
<h1>Save to Google Wallet (a fake)</h1><pre>{text}</pre>"""
FORM: Final = "<form method=post><button>Save</button></form>"

CALLER: Final = web.RequestKey("caller", str)
REASON: Final = web.RequestKey("reason", str)


@dataclass(frozen=True)
class Call:
    """A request of the REST interface by a known service account."""

    account: ServiceAccount
    request: web.Request
    body: Document

    @property
    def id(self) -> str:
        return self.request.match_info["id"]

    @property
    def kind(self) -> Kind:
        kind = KINDS.get(self.request.match_info["kind"])
        if kind is None:
            raise GoogleError(404, "notFound", "Not Found", domain="global")
        return kind


class Routes:
    """What is answered at each address."""

    def __init__(self, world: World, http: aiohttp.ClientSession) -> None:
        self._world, self._http = world, http

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._observe])
        one = f"{BASE}/{{kind}}/{{id}}"
        app.add_routes(
            [
                web.post("/token", self._token),
                web.get("/gp/m/issuer/keys", self._keys),
                web.get("/gp/v/save/{token}", self._preview),
                web.post("/gp/v/save/{token}", self._save),
                web.get("/cards", self._watch),
                web.delete("/cards/{id}", self._remove),
                web.get(f"{BASE}/issuer", self._rest(self._list_issuers)),
                web.get(f"{BASE}/issuer/{{id}}", self._rest(self._get_issuer)),
                web.post(f"{BASE}/jwt", self._rest(self._insert_jwt)),
                web.post(f"{BASE}/{{kind}}", self._rest(self._insert)),
                web.get(f"{BASE}/{{kind}}", self._rest(self._list)),
                web.get(one, self._rest(self._get)),
                web.patch(one, self._rest(self._patch)),
                web.put(one, self._rest(self._update)),
                web.post(f"{one}/addMessage", self._rest(self._add_message)),
            ]
        )
        return app

    # What an issuer's server asks

    async def _token(self, request: web.Request) -> web.Response:
        form, audiences = await request.post(), {self._world.token_url, GOOGLES_TOKEN_URL}
        grant, assertion = str(form.get("grant_type")), str(form.get("assertion"))
        try:
            token = self._world.accounts.exchange(grant, assertion, audiences)
        except TokenError as error:
            request[REASON] = error.body["error"]
            return _json(error.body, 400)
        return _json(token)

    async def _keys(self, _request: web.Request) -> web.Response:
        keys = self._world.keys
        caching = {"Cache-Control": f"public, max-age={keys.max_age_seconds}"}
        return _json(keys.published(self._world.clock.now()), headers=caching)

    async def _insert(self, call: Call) -> Document:
        self._check_right(call, issuer_of(call.body.get("id")))
        await self._fetch_images(call)
        resources = self._world.resources
        return resources.shown(resources.insert(call.kind, call.body))

    async def _get(self, call: Call) -> Document:
        return self._world.resources.shown(self._found(call))

    async def _patch(self, call: Call) -> Document:
        self._found(call)
        await self._fetch_images(call)
        resources = self._world.resources
        return resources.shown(resources.patch(call.kind, call.id, call.body))

    async def _update(self, call: Call) -> Document:
        self._found(call)
        await self._fetch_images(call)
        resources = self._world.resources
        return resources.shown(resources.update(call.kind, call.id, call.body))

    async def _add_message(self, call: Call) -> Document:
        self._found(call)
        resources = self._world.resources
        changed = resources.add_message(call.kind, call.id, call.body)
        return {"resource": resources.shown(changed)}

    async def _list(self, call: Call) -> Document:
        query, name = call.request.query, _OWNERS[call.kind.part]
        owner = query.get(name, "")
        if not owner:
            raise invalid(f"{name} is required.")
        self._check_right(call, owner if name == "issuerId" else issuer_of(owner))
        resources = self._world.resources
        found, more = resources.page(
            call.kind, owner, _max_results(query.get("maxResults")), query.get("token", "")
        )
        page: Document = {"resultsPerPage": len(found)}
        if more:
            page["nextPageToken"] = more
        return {"resources": [resources.shown(one) for one in found], "pagination": page}

    async def _list_issuers(self, call: Call) -> Document:
        mine = [one for one in self._world.issuers if self._may_use(call.account, one)]
        return {"resources": [self._issuer(id_) for id_ in mine]}

    async def _get_issuer(self, call: Call) -> Document:
        self._check_right(call, call.id)
        return self._issuer(call.id)

    async def _insert_jwt(self, call: Call) -> Document:
        world, token = self._world, str(call.body.get("jwt"))
        try:
            link = read_token(token, world.accounts, world.clock.now())
            made = await world.holders.create(link, self._http)
        except LinkError as error:
            raise invalid(str(error)) from None
        lists: dict[str, list[Document]] = {}
        for one in made:
            lists.setdefault(one.kind.plural, []).append(world.resources.shown(one))
        return {"saveUri": world.save_url + token, "resources": lists}

    # What a holder does

    async def _preview(self, request: web.Request) -> web.Response:
        holders = self._world.holders
        try:
            text, form = "\n\n".join(map(str, holders.preview(self._link(request)))), FORM
        except LinkError as error:
            text, form = str(error), ""
        page = PAGE.format(text=html.escape(text)) + form
        return web.Response(text=page, content_type="text/html", status=200 if form else 400)

    async def _save(self, request: web.Request) -> web.Response:
        holders = self._world.holders
        try:
            cards = await holders.save(self._link(request), _holder(request), self._http)
        except LinkError as error:
            return web.Response(text=str(error), status=400)
        return web.Response(text="\n\n".join(map(str, cards)))

    def _link(self, request: web.Request) -> Link:
        world = self._world
        link = world.save_url + request.match_info["token"]
        return open_link(link, world.save_url, world.accounts, world.clock.now())

    async def _remove(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        try:
            await self._world.holders.remove(id_, _holder(request), self._http)
        except LinkError as error:
            return web.Response(text=str(error), status=404)
        return web.Response(text=f"removed {id_}")

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """Tell each change of a card that somebody has, until the caller goes."""
        holders, changes = self._world.holders, asyncio.Queue[Change]()
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        await response.prepare(request)
        holders.listeners.append(changes.put_nowait)
        await response.write(b"watching\n\n")
        try:
            while True:
                change = await changes.get()
                news = f"notified: {change.notice}" if change.notice else "silently"
                text = f"{change.object_id} changed, {news}\n{holders.card(change.object_id)}\n\n"
                await response.write(text.encode())
        finally:
            holders.listeners.remove(changes.put_nowait)

    # What is so for all

    def _rest(self, do: Callable[[Call], Awaitable[Document]]) -> Any:
        async def handler(request: web.Request) -> web.Response:
            try:
                return _json(await do(await self._call(request)))
            except GoogleError as error:
                request[REASON] = error.reason
                return _json(error.body, error.code)

        return handler

    async def _call(self, request: web.Request) -> Call:
        world = self._world
        account = world.accounts.of(request.headers.get("Authorization", ""))
        request[CALLER] = account.email
        limit = world.requests_a_second
        if limit and not world.request_quota.take(account.project, limit, world.clock.now()):
            text = "Quota exceeded for quota metric 'Requests' and limit 'Requests per second'."
            raise GoogleError(429, "rateLimitExceeded", text, domain="usageLimits")
        body = _read(await request.read())
        if not is_document(body):
            raise unreadable("The body is no JSON object.")
        return Call(account, request, body)

    def _may_use(self, account: ServiceAccount, issuer_id: str) -> bool:
        issuer = self._world.issuers.get(issuer_id)
        return issuer is not None and account.email in issuer.invited

    def _check_right(self, call: Call, issuer_id: str) -> None:
        if not self._may_use(call.account, issuer_id):
            raise denied()

    def _found(self, call: Call) -> Resource:
        self._check_right(call, issuer_of(call.id))
        return self._world.resources.get(call.kind, call.id)

    async def _fetch_images(self, call: Call) -> None:
        urls = image_urls(call.kind.schema, call.body)
        await self._world.images.fetch(urls, self._http)

    def _issuer(self, id_: str) -> Document:
        return {"issuerId": id_, "name": self._world.issuers[id_].name}

    @web.middleware
    async def _observe(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Let go wrong what was ordered to, and record what issuers' servers ask."""
        if request.path.startswith(HOLDERS):
            return await handler(request)
        faults = self._world.faults
        if faults.away:
            return _cut(request)
        fault = faults.next(f"{request.method} {request.path}")
        await asyncio.sleep(faults.seconds)
        if fault and fault.kind == "fail":
            request[REASON] = "backendError"
            response = _failure(fault)
        else:
            response = await handler(request)
        await self._record(request, response.status)
        if fault and fault.kind == "hold":
            await faults.released()
        return _cut(request) if fault and fault.kind == "lose" else response

    async def _record(self, request: web.Request, status: int) -> None:
        body = _read(await request.read()) if request.path.startswith(BASE) else None
        caller, reason = request.get(CALLER, ""), request.get(REASON, "")
        about = request.method, request.path, caller, body, status, reason
        self._world.record(Request(self._world.clock.now(), *about))


_OWNERS: Final = {"class": "issuerId", "object": "classId"}


def _max_results(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or int(text) == 0:
        raise invalid("maxResults must be a positive number.")
    return int(text)


def _holder(request: web.Request) -> str:
    return request.query.get("holder", HOLDER)


def _read(data: bytes) -> Any:
    try:
        return orjson.loads(data) if data else {}
    except orjson.JSONDecodeError:
        return None


def _json(
    value: Document, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=orjson.dumps(value), status=status, headers=headers, content_type="application/json"
    )


def _failure(fault: Fault) -> web.Response:
    wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    error = GoogleError(fault.status, "backendError", "Service unavailable.", domain="global")
    return _json(error.body, fault.status, wait)


def _cut(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
