"""What the clock starts in the generator."""

import orjson

from services.generator.renderers.apple import cut_out
from services.generator.renderers.blanks import BETWEEN
from services.generator.repository.contents import ContentRepository
from services.generator.repository.passes import PassRepository
from shared.database import Database
from shared.passes.apple.tokens import PassTokens

TOMBSTONE_DAYS = 30
FORGET_TURN = 1000
CUT_TURN = 200


async def forget_tombstones(database: Database) -> None:
    gone = FORGET_TURN
    while gone == FORGET_TURN:
        async with database.work("bulk") as work:
            passes = PassRepository(work.connection)
            gone = await passes.forget_deleted(TOMBSTONE_DAYS, FORGET_TURN)


async def cut_tokens(database: Database, tokens: PassTokens, turn: int = CUT_TURN) -> None:
    """Cut the tokens out of contents of before, some at a time; where that ended it goes on."""
    is_over = False
    while not is_over:
        async with database.work("bulk") as work:
            contents = ContentRepository(work.connection)
            after = await contents.claim_cut()
            if after is None:  # nothing is left, or another process is at it
                return
            rows = await contents.lock_after(after, turn)
            cuts = [
                (handle, *cut)
                for handle, files in rows
                if files is not None and (cut := _cut(files, tokens)) is not None
            ]
            if cuts:
                await contents.cut(cuts)
            is_over = len(rows) < turn
            await contents.note_cut(None if is_over else rows[-1][0])


def _cut(files: bytes, tokens: PassTokens) -> tuple[bytes, int, str] | None:
    """Cut a pass's token out; None if its secret is gone, so that it opens nothing any more."""
    written = orjson.loads(files.partition(BETWEEN)[0])
    token = written.get("authenticationToken", "")
    key = tokens.find_key(written["passTypeIdentifier"], written["serialNumber"], token)
    return None if key is None else (*cut_out(files, token), key)
