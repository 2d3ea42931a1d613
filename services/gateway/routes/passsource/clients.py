"""The functions about accounts: login, logout, clientInfo."""

from typing import Any

from aiohttp import web

from services.gateway.context import Context
from services.gateway.domain import Account
from services.gateway.routes.passsource.access import Visit
from services.gateway.routes.passsource.words import moment, success

PROFESSIONAL = 2


async def login(visit: Visit) -> web.Response:
    """Give the client hash for an e-mail address and a password."""
    words, context = visit.words, visit.context
    account = await context.logins.login(words.need("email"), words.need("password"), visit.address)
    return success(clientHash=context.logins.client_hash(account))


async def logout(_visit: Visit) -> web.Response:
    """Answer that all is well: nothing is kept of a login."""
    return success()


async def show_client(visit: Visit) -> web.Response:
    """Tell about the account of a client hash."""
    return success(**await client_facts(visit, visit.account))


async def client_facts(visit: Visit, owner: Account) -> dict[str, Any]:
    """Tell about an account; the client hash is that which was sent."""
    best = await best_identity(visit.context, owner)
    return {
        "clientName": owner.name,
        "clientId": str(owner.account_id),
        "email": owner.email or "",
        "clientType": PROFESSIONAL,
        "clientHash": visit.words.credentials.get("clientHash", ""),
        "expires": moment(owner.subscription_expires_at),
        "additional": owner.additional,
        "whitelabel": owner.whitelabel,
        "referenceId": str(owner.managed_by) if owner.managed_by else 0,
        **({"backgroundColor": owner.background_color} if owner.background_color else {}),
        **best,
    }


async def best_identity(context: Context, owner: Account) -> dict[str, Any]:
    """Tell by what its passes are signed; private keys and their passwords never come out."""
    async with context.database.connection() as connection:
        identity = await context.identities.choose(connection, owner.account_id, None)
    return {
        "passTypeId": identity.pass_type_identifier,
        "teamIdentifier": identity.team_identifier,
        "certificatePassword": "",
    }
