"""Passcodes, which guard the public pages and files of a pass, and the proof that one was given."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from services.gateway.catalogue import attempts
from services.gateway.catalogue.attempts import Limit
from services.gateway.catalogue.passwords import Passwords
from services.gateway.catalogue.served import ServedContent
from shared import clock
from shared.contracts.triggers import Pass
from shared.database import Database
from shared.errors import ForbiddenError
from shared.http.forwarding import network_of
from shared.sealing import MasterKeys

MAX_PASSCODE_CHARACTERS: Final = 100

ATTEMPTS: Final = Limit(5, timedelta(minutes=15))
"""Wrong passcodes for one pass from one network."""

PERMITTED: Final = timedelta(hours=1)
"""How long whoever has given a passcode is not asked for it again."""

_PURPOSE: Final = "passcode permit"
_MOMENT_LENGTH: Final = 8

Guarded = Pass | ServedContent
"""What knows which passcode guards it, if any."""


class PasscodeNeededError(ForbiddenError):
    """The pass is shown to those who give its passcode."""

    code = "passcode_needed"

    def __init__(self, handle: str = "") -> None:
        super().__init__()
        self.handle = handle


class WrongPasscodeError(ForbiddenError):
    """That is not the passcode of this pass."""

    code = "passcode_wrong"


class Passcodes:
    """Who may see a pass that has a passcode."""

    def __init__(self, database: Database, passwords: Passwords, master_keys: MasterKeys) -> None:
        self._database = database
        self._passwords = passwords
        self._master_keys = master_keys

    async def hash(self, passcode: str) -> str:
        """Make what may be kept of a passcode."""
        return await self._passwords.hash(passcode)

    async def check(self, issued: Pass, passcode: str, address: str) -> None:
        """Compare what somebody took for the passcode; each wrong one counts for their network."""
        here = attempts.place("passcode", f"{issued.handle}\n{network_of(address)}")
        async with self._database.work() as work:
            attempt = await attempts.begin(work, {here: ATTEMPTS})
        if not await self._passwords.fits(passcode, issued.passcode):
            raise WrongPasscodeError
        async with self._database.work() as work:
            await attempts.forget(work, attempt)

    def permit(self, issued: Pass) -> str:
        """Write that the present passcode of a pass was given; no other passcode is meant by it."""
        until = int((clock.now() + PERMITTED).timestamp())
        content = until.to_bytes(_MOMENT_LENGTH, "big")
        return self._master_keys.mint(content, purpose=_PURPOSE, owner=_owner(issued))

    def guard(self, issued: Guarded, cookies: Mapping[str, str]) -> None:
        """Let only those on who have a permit among their cookies, if the pass has a passcode."""
        permit = cookies.get(cookie_name(issued.handle), "")
        if issued.passcode is not None and not self._is_permitted(issued, permit):
            raise PasscodeNeededError(issued.handle)

    def _is_permitted(self, issued: Guarded, permit: str) -> bool:
        content = self._master_keys.read_token(permit, purpose=_PURPOSE, owner=_owner(issued))
        return content is not None and clock.now().timestamp() < int.from_bytes(content, "big")


def cookie_name(handle: str) -> str:
    """Name the cookie that holds the permit for a pass."""
    return f"passcode_{handle}"


def _owner(issued: Guarded) -> str:
    """Name what a permit is for: the pass, and what is kept of its present passcode."""
    return f"{issued.handle}\n{issued.passcode}"
