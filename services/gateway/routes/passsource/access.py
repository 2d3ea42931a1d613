"""Whose call it is, and what it may reach: its own account, and those that it manages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web
from structlog.contextvars import bind_contextvars

from services.gateway.catalogue.templates import TemplateNotFoundError
from services.gateway.context import Context
from services.gateway.domain import Account, Template
from services.gateway.routes.passsource.words import ParameterError, Words, read_words
from services.gateway.usecases import passes
from shared.contracts.triggers import Pass
from shared.errors import ForbiddenError, NotFoundError, UnauthorizedError
from shared.hashes import TemplateName, read_template_hash, template_hash
from shared.http.forwarding import client_address
from shared.http.limiting import disprove, prove
from shared.identifiers import new_id, trim_handle


class ClientHashError(UnauthorizedError):
    """The clientHash is missing or no longer valid."""

    code = "client_hash_invalid"


class NoRightError(ForbiddenError):
    """With that clientHash nobody has a right to this template."""

    code = "no_right"


class UnknownTemplateHashError(NotFoundError):
    """There is no template of this templateHash."""

    code = "template_hash_unknown"


class UnknownPassError(NotFoundError):
    """There is no pass of this hashedSerialNumber."""

    code = "pass_unknown"


@dataclass(frozen=True, slots=True)
class Visit:
    """One call of a function: its words, the context, and who is asking if that is known."""

    context: Context
    words: Words
    client: Account | None
    address: str
    cookies: Mapping[str, str] = field(repr=False)
    command_id: UUID = field(default_factory=new_id)
    """Under which its effect is done once: that of an Idempotency-Key, if one was sent."""
    named_template: str = ""
    """A templateHash in the body, for the function that takes one there."""

    @property
    def account(self) -> Account:
        """Who is asking; ClientHashError if that is not known."""
        if self.client is None:
            raise ClientHashError
        return self.client

    async def owner_of(self, account_id: UUID) -> Account | None:
        """Read the account whose thing it is, if the caller has a right to it."""
        if self.client is None:
            return None
        if self.client.account_id == account_id:
            return self.client
        try:
            return await self.context.accounts.get(self.client.account_id, account_id)
        except NotFoundError:
            return None

    async def need_owner(self, account_id: UUID) -> Account:
        """Read the account whose thing it is; NoRightError if it is none of the caller's."""
        _ = self.account
        owner = await self.owner_of(account_id)
        if owner is None:
            raise NoRightError
        return owner

    def template_name(self) -> TemplateName:
        """Read which template the templateHash names."""
        text = self.words.credentials.get("templateHash") or self.named_template
        if not text:
            raise ParameterError("The parameter templateHash is missing.")
        name = read_template_hash(self.context.master_keys, text)
        if name is None:
            raise UnknownTemplateHashError
        return name

    async def template(self) -> tuple[Account, Template]:
        """Read the template, which must be the caller's or an account's that it manages."""
        name = self.template_name()
        owner = await self.need_owner(name.account_id)
        return owner, await self.find_template(name)

    async def find_template(self, name: TemplateName) -> Template:
        """Read a template, whosever it is."""
        try:
            return await self.context.templates.get(name.account_id, name.template_id)
        except TemplateNotFoundError as error:
            raise UnknownTemplateHashError from error

    def handle(self) -> str:
        """Read which pass the hashedSerialNumber names."""
        handle = self.words.credentials.get("hashedSerialNumber")
        if not handle:
            raise ParameterError("The parameter hashedSerialNumber is missing.")
        return trim_handle(handle)

    async def find_pass(self) -> Pass:
        """Read a pass, whosever it is; who has no right to it must have given its passcode."""
        found = await self._read_pass()
        if found.passcode is not None and await self.owner_of(found.account_id) is None:
            self.context.passcodes.guard(found, self.cookies)
        return found

    async def own_pass(self) -> tuple[Account, Pass]:
        """Read a pass of the caller's, or of an account that it manages."""
        _ = self.account
        found = await self._read_pass()
        return await self.need_owner(found.account_id), found

    async def _read_pass(self) -> Pass:
        try:
            return await passes.read(self.context, None, self.handle())
        except NotFoundError as error:
            raise UnknownPassError from error

    def template_hash(self, account_id: UUID, template_id: UUID) -> str:
        """Write the hash of a template."""
        return template_hash(self.context.master_keys, account_id, template_id)


async def begin_visit(context: Context, request: web.Request) -> Visit:
    """Find out who is asking; a hash that no longer holds is as good as none."""
    words = await read_words(request)
    text = words.credentials.get("clientHash", "")
    client = await context.logins.find_client(text) if text else None
    if client is None:
        disprove(request, text)
    else:
        prove(request, text)
        bind_contextvars(account_id=str(client.account_id))
    return Visit(context, words, client, client_address(request), request.cookies)
