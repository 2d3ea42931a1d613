"""Objects that are linked to another one at Google: shown beside it, and never unlinked."""

from collections.abc import Sequence
from typing import Final

from shared.errors import InvalidError

MAX_LINKED: Final = 50
"""Google drops more without a word."""


class TooManyLinkedError(InvalidError):
    """At most 50 objects are linked to the object of a pass at Google."""

    code = "too_many_linked"


def linked(present: Sequence[str], more: Sequence[str]) -> list[str]:
    """Link more objects, each once, behind those that are; TooManyLinkedError above 50."""
    together = list(dict.fromkeys([*present, *more]))
    if len(together) > MAX_LINKED:
        raise TooManyLinkedError
    return together
