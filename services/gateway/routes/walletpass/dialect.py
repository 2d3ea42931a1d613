"""The dialect as a whole: its name, and how its endpoints and its document are described."""

from functools import partial
from typing import Final

from services.gateway.routes.documents import Dialect
from services.gateway.routes.walletpass.words import Failure, write_failure
from shared.http.endpoint import JSON_MEDIA, AnyEndpoint, Endpoint

TAG: Final = "WalletPass.ai"
NAME: Final = "walletpass"
ROOT: Final = "/walletpass/"
DESCRIPTION: Final = """Passes of members for Apple Wallet and Google Wallet, with styles that \
follow their points.

Success is `{"status": "success", "data": …}`, with `warnings` where something was ignored or is \
odd; an error is `{"status": "error", "message", "code", "errors": [{"path", "message"}]}`. \
API keys work with any prefix, as `wp_…`.

**APPLE_PASS_EXPIRATION.** A pass expires only if somebody says when. `expiration_date` of the \
request goes before that of the style; without either the pass has no `expirationDate`, and its \
object at Google no interval. A date is written as it was given, with its offset, as \
`2038-01-31T23:59:59+01:00`. One that has passed is refused. A repeat of the request without a \
date takes the pass's own away. Once the date has passed Apple Wallet shows the pass as expired, \
its object at Google is `EXPIRED`, and scans are refused."""

endpoint: Final[partial[AnyEndpoint]] = partial(
    Endpoint,
    tag=TAG,
    dialect=NAME,
    write_error=write_failure,
    other_errors={JSON_MEDIA: Failure},
    writes_no_problems=True,
)
"""Makes an endpoint of this dialect."""

DIALECT: Final = Dialect(
    name=NAME,
    tag=TAG,
    root=ROOT,
    title="WalletPass.ai's API on Passwright",
    description=DESCRIPTION,
)
"""As its own document describes it."""
