"""What a form of ours carries, so that it is known as ours and, sent twice, has one effect."""

from typing import Final
from uuid import UUID

from services.gateway.context import Context

_ID_LENGTH: Final = 16


def write_mark(context: Context, purpose: str, owner: str, form_id: UUID) -> str:
    """Seal the id of a form, which is good for one purpose and owner."""
    return context.master_keys.mint(form_id.bytes, purpose=purpose, owner=owner)


def read_mark(context: Context, purpose: str, owner: str, text: str) -> UUID | None:
    """Read the id of a form; None if it is none of ours, or was made for something else."""
    content = context.master_keys.read_token(text, purpose=purpose, owner=owner)
    return UUID(bytes=content) if content is not None and len(content) == _ID_LENGTH else None
