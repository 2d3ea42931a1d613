"""Cards of a development issuer, of which nothing was sent: shown from what Passwright keeps."""

import json
from pathlib import Path

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.google.accounts import Accounts
from tests.google.cards import Card
from tests.google.clock import Clock, real_now
from tests.google.errors import LinkError
from tests.google.links import GOOGLES_SAVE_URL, open_link


async def show_unsent(link: str, demo: Path, handle: str | None) -> Card:
    """Verify a save link by the key of the demo, and show the card of its pass.

    `handle` is of which pass it is, if not of the demo's. LinkError says what is wrong.
    """
    known = json.loads(demo.read_text())
    public = load_pem_public_key(Path(known["google_public_key"]).read_bytes())
    opened = open_link(link, GOOGLES_SAVE_URL, _accounts(link, public), real_now())
    [(kind, named)] = opened.entries
    handle = handle or known["pass_handle"]
    headers = {"X-API-Key": known["api_key"]}
    async with (
        aiohttp.ClientSession(known["base_url"], headers=headers) as http,
        http.get(f"/v1/passes/{handle}/google") as response,
    ):
        state = await response.json()
    if response.status != 200 or state.get("object_id") != named["id"]:
        raise LinkError(f"The link is of another pass than {handle}: name that with --handle.")
    return Card(kind, state["class"] or {}, state["object"])


def _accounts(link: str, key: object) -> Accounts:
    """Know one account: the one that the link says it is of, by the demo's key."""
    accounts, token = Accounts(Clock()), link.rpartition("/")[2]
    if not isinstance(key, RSAPublicKey):
        raise LinkError("The demo's key is no RSA key.")
    try:
        email = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
        accounts.add(email, email, jwt.get_unverified_header(token).get("kid", ""), key)
    except jwt.InvalidTokenError as error:
        raise LinkError(f"The JWT is invalid: {error}.") from None
    return accounts
