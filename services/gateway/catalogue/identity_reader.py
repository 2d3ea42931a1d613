"""Reads uploaded identities in a process of its own, with limits on its time and memory.

The author of a file decides how much work it takes to open it, also where that cannot be seen
beforehand: parameters of key derivation may themselves be encrypted.
"""

import asyncio
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, Field

from services.gateway.catalogue.turns import Turns
from shared.errors import TooManyRequestsError
from shared.passes.apple.identities import (
    IdentityError,
    SigningIdentity,
    identity_from_pem,
    identity_to_pem,
    key_to_pem,
    load_trusted_key,
)
from shared.passes.apple.identity_files import SlowIdentityError, read_identity
from shared.passes.apple.signing import SigningKey

READ_SECONDS: Final = 10.0
PROCESSES: Final = 2
PROCESSES_OF_ACCOUNT: Final = 1
MAX_WAITING: Final = 20
MAX_WAITING_OF_ACCOUNT: Final = 5
MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of address space; an interpreter with the library takes a fifth of it."""


class TooManyUploadsError(TooManyRequestsError):
    """Too many certificates are uploaded at a time: try again in a few seconds."""

    code = "too_many_uploads"


class Files(BaseModel):
    """What was uploaded, and the keys that wait for a certificate."""

    p12: Base64Bytes | None = Field(None, repr=False)
    password: str | None = Field(None, repr=False)
    pem: str | None = Field(None, repr=False)
    certificates: list[Base64Bytes] = Field(default_factory=list[bytes])
    keys: list[str] = Field(default_factory=list[str], repr=False)
    at: datetime

    @classmethod
    def of(
        cls,
        *,
        p12: bytes | None = None,
        password: str | None = None,
        pem: str | None = None,
        certificates: Sequence[bytes] = (),
        keys: Sequence[SigningKey] = (),
        at: datetime,
    ) -> "Files":
        """Pack what was uploaded."""
        return cls.model_construct(
            p12=p12,
            password=password,
            pem=pem,
            certificates=list(certificates),
            keys=[key_to_pem(key).decode() for key in keys],
            at=at,
        )


class _Outcome(BaseModel):
    pem: str = Field(repr=False)
    code: str = ""
    detail: str = ""


class IdentityReader:
    """Opens files of strangers, two at a time, of different accounts."""

    def __init__(self, seconds: float = READ_SECONDS) -> None:
        self._seconds = seconds
        self._turns = Turns(total=PROCESSES, each=PROCESSES_OF_ACCOUNT)

    async def read(self, account_id: UUID, files: Files) -> SigningIdentity:
        """Check files; IdentityError names the fault, TooManyUploadsError a queue that is long."""
        own, all_accounts = self._turns.taken_by(account_id), self._turns.taken
        if own >= MAX_WAITING_OF_ACCOUNT or all_accounts >= MAX_WAITING:
            raise TooManyUploadsError
        async with self._turns.turn(account_id):
            outcome = await _run(files.model_dump_json().encode(), self._seconds)
        if outcome.code:
            error = IdentityError(outcome.detail)
            error.code = outcome.code  # type: ignore[misc]  # the instance keeps the finer code
            raise error
        return identity_from_pem(outcome.pem.encode())


async def _run(files: bytes, seconds: float) -> _Outcome:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.gateway.catalogue.identity_reader",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await process.communicate(files)
    except TimeoutError as error:
        raise SlowIdentityError from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0:  # it met a limit
        raise SlowIdentityError
    return _Outcome.model_validate_json(answer)


def main() -> None:
    """Read files from the standard input as JSON, and write what became of them."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(READ_SECONDS), int(READ_SECONDS)))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no private keys in files
    files = Files.model_validate_json(sys.stdin.buffer.read())
    try:
        identity = read_identity(
            p12=files.p12,
            password=files.password,
            pem=None if files.pem is None else files.pem.encode(),
            certificates=files.certificates,
            keys=[load_trusted_key(key.encode()) for key in files.keys],
            at=files.at,
        )
    except IdentityError as error:
        outcome = _Outcome(pem="", code=error.code, detail=error.detail)
    else:
        outcome = _Outcome(pem=identity_to_pem(identity).decode())
    sys.stdout.write(outcome.model_dump_json())


if __name__ == "__main__":
    main()
