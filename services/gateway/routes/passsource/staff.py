"""Somebody in a page of issuers or tills, by the grant in its address."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from aiohttp import hdrs, web

from services.gateway.catalogue.grants import Grant
from services.gateway.context import Context
from services.gateway.domain import Template
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.rendering import PRIVATE, Pages
from services.gateway.routes.passsource.access import (
    NoRightError,
    UnknownPassError,
    UnknownTemplateHashError,
    Visit,
)
from shared.contracts.triggers import Pass

GRANT: Final = "grant"


@dataclass(frozen=True, slots=True)
class Staff:
    """A request for a page of staff, and what it may reach."""

    request: web.Request
    context: Context
    pages: Pages
    visit: Visit
    grant: Grant
    grant_text: str = field(repr=False)

    @property
    def accepted(self) -> Sequence[str]:
        return accepted_languages(self.request)

    @property
    def is_post(self) -> bool:
        return self.request.method == hdrs.METH_POST

    async def find_pass(self) -> Pass:
        """Read the pass that the address names; of another account or template there is none."""
        try:
            _, found = await self.visit.own_pass()
        except NoRightError as error:
            raise UnknownPassError from error
        if self.grant.template_id not in {None, found.template_id}:
            raise UnknownPassError
        return found

    async def find_template(self) -> Template:
        """Read the template that the address names; of another account there is none."""
        try:
            _, template = await self.visit.template()
        except NoRightError as error:
            raise UnknownTemplateHashError from error
        return template

    def here(self, **said: str) -> str:
        """Give the address of this page with the grant that opened it."""
        return _address(self.request.path, {**said, GRANT: self.grant_text})

    async def there(self, page: str, **said: str) -> str:
        """Give the address of another page of staff, with the same right to it."""
        grant = await self.context.grants.for_page(self.grant, page)
        return _address(f"/pass/{page}", {**said, GRANT: grant})

    def lead(self, address: str) -> web.Response:
        """Lead on to what is to be seen after something was done: looking again does nothing."""
        headers = {**PRIVATE, hdrs.LOCATION: address}
        return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)


def _address(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}"
