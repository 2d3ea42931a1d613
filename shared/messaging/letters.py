"""Seals dead letters: what lies at the broker opens only by a key that its consumer keeps."""

import secrets
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.database import Connection, Database
from shared.errors import GoneError
from shared.messaging.envelope import Envelope
from shared.sealing import KEY_LENGTH, NONCE_LENGTH, MasterKeys

LETTER_PURPOSE: Final = "dead letter"

MARK: Final = b"\x01"
"""What a sealed body begins with; no JSON does."""


class LetterErasedError(GoneError):
    """The message tells of a person who was deleted, or is older than 14 days: its key is gone."""


async def seal_letter(
    database: Database, keys: MasterKeys, envelope: Envelope, persons: Sequence[int]
) -> bytes:
    """Note that a message is dead, and seal its body by a key that is kept beside the note.

    Of persons who were deleted the key is not kept. A message that is buried again keeps its key.
    """
    if envelope.body.startswith(MARK):
        await _note_death(database, envelope.message_id, None, [])
        return envelope.body
    key = secrets.token_bytes(KEY_LENGTH)
    owner = str(envelope.message_id)
    sealed = keys.seal(key, purpose=LETTER_PURPOSE, owner=owner)
    kept = await _note_death(database, envelope.message_id, sealed, persons)
    if kept is not None and kept != sealed:
        key = keys.open(kept, purpose=LETTER_PURPOSE, owner=owner)
    nonce = secrets.token_bytes(NONCE_LENGTH)
    return MARK + nonce + AESGCM(key).encrypt(nonce, envelope.body, owner.encode())


async def open_letters(
    connection: Connection, keys: MasterKeys, envelopes: Sequence[Envelope]
) -> dict[UUID, bytes]:
    """Give the bodies of messages, dead before or not; those without a key are missing."""
    bodies = {e.message_id: e.body for e in envelopes if not e.body.startswith(MARK)}
    sealed = {e.message_id: e.body for e in envelopes if e.message_id not in bodies}
    if not sealed:
        return bodies
    rows = await connection.fetch(
        """
        SELECT message_id, letter_key
        FROM suspects
        WHERE message_id = ANY($1::uuid[])
            AND letter_key IS NOT NULL
        """,
        list(sealed),
    )
    for message_id, letter_key in rows:
        owner = str(message_id)
        key = keys.open(letter_key, purpose=LETTER_PURPOSE, owner=owner)
        content = sealed[message_id].removeprefix(MARK)
        nonce, ciphertext = content[:NONCE_LENGTH], content[NONCE_LENGTH:]
        bodies[message_id] = AESGCM(key).decrypt(nonce, ciphertext, owner.encode())
    return bodies


async def open_letter(
    connection: Connection, keys: MasterKeys, message_id: UUID, body: bytes
) -> bytes:
    """Give the body of one dead letter; LetterErasedError if nobody can."""
    envelope = Envelope(message_id, "", "interactive", body)
    opened = await open_letters(connection, keys, [envelope])
    if message_id not in opened:
        raise LetterErasedError
    return opened[message_id]


async def _note_death(
    database: Database, message_id: UUID, letter_key: str | None, persons: Sequence[int]
) -> str | None:
    """Note that a message is dead; returns its key, unless it is not to be kept."""
    async with database.connection() as connection:
        return await connection.fetchval(
            """
            INSERT INTO suspects AS old (message_id, attempts, failed_at, dead_at, persons,
                letter_key)
            SELECT $1, 0, now(), now(), $3,
                CASE WHEN NOT EXISTS (SELECT FROM erasures WHERE person = ANY($3)) THEN $2 END
            ON CONFLICT (message_id) DO UPDATE
            SET last_at = now(),
                failed_at = now(),
                dead_at = now(),
                persons = old.persons || excluded.persons,
                letter_key = coalesce(old.letter_key, excluded.letter_key)
            RETURNING letter_key
            """,
            message_id,
            letter_key,
            list(persons),
        )
