"""How many rules called each other before the request that is being served, so that loops end."""

from contextvars import ContextVar
from typing import Final

from shared.contracts.triggers import MAX_DEPTH

_DEPTH: Final = ContextVar("depth", default=0)


def note_depth(depth: int) -> None:
    """Note the depth of a request; to be called for each, since connections share a task."""
    _DEPTH.set(min(depth, MAX_DEPTH))


def present_depth() -> int:
    """Return the depth of the request that is being served."""
    return _DEPTH.get()
