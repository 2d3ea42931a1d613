"""Hosts whose root is this dialect: their /v1 and /demo are those under /walletpass."""

from collections.abc import Collection, Iterator
from typing import Final

from aiohttp import web
from aiohttp.web_urldispatcher import Domain, MatchedSubAppResource, UrlMappingMatchInfo
from yarl import URL

from services.gateway.routes.walletpass.dialect import ROOT

SERVED: Final = ("/v1/", "/demo/")


class HostedDialect(MatchedSubAppResource):
    """Leads requests to these hosts to the addresses of the dialect, before all others."""

    def __init__(self, app: web.Application, hosts: Collection[str]) -> None:
        super().__init__(Domain("hosts.of.this.dialect"), app)
        self._hosts = frozenset(map(str.lower, hosts))

    async def resolve(self, request: web.Request) -> tuple[UrlMappingMatchInfo | None, set[str]]:
        """Find the handler of the address under the dialect's root; None on other hosts."""
        if not request.path.startswith(SERVED) or host_of(request) not in self._hosts:
            return None, set()
        address = URL(f"{ROOT.rstrip('/')}{request.raw_path}", encoded=True)
        return await self._app.router.resolve(request.clone(rel_url=address)), set()

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        """Give no routes: it has none of its own."""
        return iter(())

    def __len__(self) -> int:
        return 0


def host_of(request: web.BaseRequest) -> str:
    """Name the host that was asked for, without its port."""
    return request.host.partition(":")[0].lower()


def beginnings(hosts: Collection[str]) -> list[str]:
    """List how addresses of the dialect begin: below its root, and on its hosts."""
    return [ROOT, *(f"{host.lower()}{path}" for host in hosts for path in SERVED)]
