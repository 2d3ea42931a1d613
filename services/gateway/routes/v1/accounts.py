"""Accounts over HTTP, and the root of their development identities."""

import re
from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from services.gateway.catalogue.accounts import AccountNotFoundError
from services.gateway.catalogue.attempts import TooManyAttemptsError
from services.gateway.catalogue.keys import ScopeNotHeldError
from services.gateway.catalogue.logins import (
    MAX_EMAIL_CHARACTERS,
    MIN_PASSWORD_CHARACTERS,
    LoginChange,
    PasswordNeededError,
)
from services.gateway.catalogue.passwords import MAX_PASSWORD_CHARACTERS
from services.gateway.context import Context
from services.gateway.domain import EVERY_SCOPE
from services.gateway.repository.logins import EmailTakenError
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.paging import page_of, uuid_position
from shared.contracts.message import JsonObject
from shared.database import UnitOfWork
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import InvalidCursorError, Page, PageQuery
from shared.http.parsing import uuid_in_path

TAG = "Accounts"
PEM_MEDIA = "application/x-pem-file"
MAX_ADDITIONAL_BYTES = 64 * 1024
_EMAIL = re.compile(r"\s*[^@\s\x00]+@[^@\s\x00]+\s*")


_KEYLESS: Final = (
    "Whether anybody may link a pass to a member's loyalty pass at Google without an API key "
    "(`POST /walletpass/demo/google/linked-pass`)."
)


def _check_email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise ValueError("an e-mail address such as ada@example.com is needed")
    return text


Email = Annotated[
    str,
    AfterValidator(_check_email),
    Field(max_length=MAX_EMAIL_CHARACTERS, json_schema_extra={"pattern": f"^{_EMAIL.pattern}$"}),
]


class NewAccount(BaseModel):
    """An account to be created and managed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200, examples=["Blue Bottle, Berlin"])
    organization_name: str = Field(
        min_length=1,
        max_length=64,
        description="What passes show as their issuer, unless their template says otherwise.",
        examples=["Blue Bottle"],
    )


class AccountView(BaseModel):
    """An issuer."""

    model_config = ConfigDict(from_attributes=True, title="Account")

    account_id: UUID
    name: str
    organization_name: str
    managed_by: UUID | None = Field(description="The account that created this one.")
    created_at: datetime
    email: str | None = Field(None, description="By which it logs in to the PassSource dialect.")
    subscription_expires_at: datetime | None = None
    additional: JsonObject = {}
    whitelabel: bool = False
    background_color: str | None = None
    utc_offset: str = Field(
        "+00:00", description="In which times are written that the Pass2U API answers."
    )
    keyless_links: bool = Field(default=False, description=_KEYLESS)


class ChangedAccount(BaseModel):
    """What is to change of an account; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"additional": {"shop": "Berlin"}, "whitelabel": True}]},
    )

    email: Email | None = Field(
        None, description="With the password the login of the PassSource dialect."
    )
    password: str | None = Field(
        None, min_length=MIN_PASSWORD_CHARACTERS, max_length=MAX_PASSWORD_CHARACTERS, repr=False
    )
    current_password: str | None = Field(
        None,
        max_length=MAX_PASSWORD_CHARACTERS,
        repr=False,
        description="The present password, if there is one: needed to change it or the e-mail.",
    )
    subscription_expires_at: AwareDatetime | None = Field(
        None, description="After it client hashes are refused; without it never."
    )
    additional: JsonObject = Field({}, description="Anything the account wants kept with it.")
    whitelabel: bool = False
    background_color: str | None = Field(None, max_length=64)
    utc_offset: str = Field(
        "+00:00",
        pattern=r"^[+-](0\d|1[0-4]):[0-5]\d$",
        description="In which times are written that the Pass2U API answers.",
    )
    keyless_links: bool = Field(default=False, description=_KEYLESS)

    @field_validator("additional")
    @classmethod
    def _is_short(cls, value: JsonObject) -> JsonObject:
        if len(orjson.dumps(value, default=str)) > MAX_ADDITIONAL_BYTES:
            raise ValueError(f"At most {MAX_ADDITIONAL_BYTES // 1024} KiB")
        return value

    @property
    def change(self) -> LoginChange:
        """Only what was sent."""
        names = self.model_fields_set - {"current_password"}
        return LoginChange(**{name: getattr(self, name) for name in names})

    @property
    def changes_login(self) -> bool:
        """Whether the e-mail address or the password is to change."""
        return not self.model_fields_set.isdisjoint({"email", "password"})


class CreatedAccount(AccountView):
    """A new account and its first API key, which is shown only here."""

    model_config = ConfigDict(title="CreatedAccount")

    key: str = Field(description="An API key with all scopes; it is never shown again.", repr=False)


async def create_account(call: Call[NewAccount, None], *, context: Context) -> Reply:
    """Create an account that the caller's manages."""
    caller, body = call.caller, call.body
    new = await context.accounts.prepare(body.name, body.organization_name, caller.account_id)

    async def add(work: UnitOfWork) -> Reply:
        account, key = await context.accounts.add(work, new)
        view = AccountView.model_validate(account)
        created = CreatedAccount(**view.model_dump(), key=key.text)
        return Reply(created, 201, {"Location": f"/v1/accounts/{account.account_id}"})

    return await answer_once(context, call, add)


async def show_own_account(call: Call[None, None], *, context: Context) -> AccountView:
    own = call.caller.account_id
    return AccountView.model_validate(await context.accounts.get(own, own))


async def change_own_account(call: Call[ChangedAccount, None], *, context: Context) -> AccountView:
    """Change the account; a new e-mail, password or subscription ends its client hashes."""
    if call.body.changes_login:
        if not call.caller.may(EVERY_SCOPE):
            raise ScopeNotHeldError('Only a key with the scope "*" changes the login.')
        await context.logins.check_password(call.caller.account_id, call.body.current_password)
    changed = await context.logins.change(call.caller.account_id, call.body.change)
    return AccountView.model_validate(changed)


async def show_account(call: Call[None, None], *, context: Context) -> AccountView:
    account_id = uuid_in_path(call.path["account_id"])
    if account_id is None:
        raise AccountNotFoundError
    account = await context.accounts.get(call.caller.account_id, account_id)
    return AccountView.model_validate(account)


async def list_accounts(call: Call[None, PageQuery], *, context: Context) -> Page[AccountView]:
    rows = await context.accounts.list_managed(
        call.caller.account_id, uuid_position(call.query), call.query.limit + 1
    )
    return page_of(rows, call.query, AccountView.model_validate, lambda row: row.account_id)


async def show_development_root(_call: Call[None, None], *, context: Context) -> Reply:
    return Reply(await context.accounts.root_pem())


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the addresses of accounts."""
    return [
        Endpoint(
            "POST",
            "/v1/accounts",
            partial(create_account, context=context),
            summary="Create an account that this one manages",
            tag=TAG,
            scope="accounts:write",
            body=NewAccount,
            returns=CreatedAccount,
            status=201,
            errors=REPEAT_ERRORS,
        ),
        Endpoint(
            "GET",
            "/v1/accounts",
            partial(list_accounts, context=context),
            summary="List the accounts that this one manages",
            tag=TAG,
            scope="accounts:read",
            query=PageQuery,
            returns=Page[AccountView],
            errors=(InvalidCursorError,),
        ),
        Endpoint(
            "GET",
            "/v1/accounts/{account_id}",
            partial(show_account, context=context),
            summary="Show this account or one that it manages",
            tag=TAG,
            scope="accounts:read",
            returns=AccountView,
            errors=(AccountNotFoundError,),
        ),
        Endpoint(
            "GET",
            "/v1/account",
            partial(show_own_account, context=context),
            summary="Show this account",
            tag=TAG,
            scope="accounts:read",
            returns=AccountView,
            errors=(AccountNotFoundError,),
        ),
        Endpoint(
            "PATCH",
            "/v1/account",
            partial(change_own_account, context=context),
            summary="Change this account and its login",
            tag=TAG,
            scope="accounts:write",
            body=ChangedAccount,
            returns=AccountView,
            errors=(
                AccountNotFoundError,
                EmailTakenError,
                PasswordNeededError,
                ScopeNotHeldError,
                TooManyAttemptsError,
            ),
            description="To change e-mail address or password the key needs the scope `*`, and "
            "`current_password` if a password is set: a login has every right.",
        ),
        Endpoint(
            "GET",
            "/v1/development-root.pem",
            partial(show_development_root, context=context),
            summary="Fetch the root certificate of all development identities",
            tag=TAG,
            scope=None,
            media=PEM_MEDIA,
            description="No phone trusts it; tools that check passes may be told to.",
        ),
    ]
