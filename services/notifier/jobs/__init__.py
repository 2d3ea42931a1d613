"""What the clock starts in the notifier."""

from collections.abc import Awaitable, Callable, Sequence

from services.notifier.domain.happenings import Happening
from shared.database import UnitOfWork

Tell = Callable[[UnitOfWork, Sequence[Happening]], Awaitable[None]]
"""Tells partners; the last thing in a transaction."""
