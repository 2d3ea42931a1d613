"""What is known of one pass and of the installation at the moment of composing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.passes.schema.values import MISSING, Json

NOTHING_HAPPENED: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PassState:
    """One pass: its values, its member's name, email, points, tier, external_id, and its flags.

    `happened` holds the state words that are true: registered, scanned, deleted, installed. While
    an event is handled they are those from before it, and `changed_at` is the event's time.
    `literal` holds the marks of rights.py: the own values whose brackets are plain text, which a
    user typed or a set action made, and those that may not show everything. None says that nobody
    knows, and then all are plain text.
    """

    handle: str
    serial: str
    values: dict[str, Any]
    member: dict[str, Any] | None
    voided: bool
    changed_at: datetime
    happened: frozenset[str] = NOTHING_HAPPENED
    literal: frozenset[str] | None = None
    member_id: str | None = None

    def member_fact(self, fact: str) -> Json:
        """Return what is known of the pass's member by name, or None."""
        if self.member is None:
            return None
        return self.member_id if fact == "member_id" else self.member.get(fact)

    def with_values(self, values: dict[str, Any], literal: Json = MISSING) -> "PassState":
        """Return the same pass with other values; several times faster than dataclasses.replace."""
        return PassState(
            self.handle,
            self.serial,
            values,
            self.member,
            self.voided,
            self.changed_at,
            self.happened,
            self.literal if literal is MISSING else literal,
            self.member_id,
        )

    def may_expand(self, path: str) -> bool:
        """Whether the brackets in this own value stand for what they name."""
        return self.literal is not None and path not in self.literal


@dataclass(frozen=True, slots=True)
class Environment:
    """What texts may say of the installation and the account; the word for a None stays text.

    A client hash changes during the life of a revision, so it may be given as a function.
    """

    root_url: str | None = None
    client_hash: str | Callable[[], str | None] | None = None
    client_id: str | None = None
    template_id: str | None = None
    template_hash: str | None = None
