"""Whether the holder of a pass hears of a change, and how."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.notifier.google.domain.documents import Digests, digests_of
from shared.contracts.message import JsonObject

DAY: Final = timedelta(hours=24)
NOTICES_A_DAY: Final = 3
MAX_MESSAGES: Final = 10
"""What Google keeps on an object; an eleventh is refused."""

NOTIFYING: Final[Mapping[str, frozenset[str]]] = {
    "loyalty": frozenset({"loyaltyPoints", "secondaryLoyaltyPoints"}),
    "eventTicket": frozenset({"seatInfo", "ticketType"}),
    "giftCard": frozenset({"balance"}),
    "transit": frozenset({"ticketLeg", "ticketLegs", "ticketStatus"}),
    "flight": frozenset({"boardingAndSeatingInfo"}),
}
"""Type → keys of an object of whose change Google itself tells, if it is asked to."""

NOTIFY_ON_UPDATE: Final = "NOTIFY_ON_UPDATE"
LOUD: Final = "TEXT_AND_NOTIFY"
SILENT: Final = "TEXT"

Watched = Mapping[str, Sequence[str]]
"""Field → the value that it shows, and what is said when it changes."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """When the holders of an object were notified, by itself and by its class."""

    moments: Sequence[datetime] = ()

    def has_room(self, at: datetime) -> bool:
        """Tell whether they may be notified once more."""
        return sum(at - moment < DAY for moment in self.moments) < NOTICES_A_DAY


def watched_digests(watched: Watched) -> dict[str, str]:
    """Digest the values that fields show, to compare them with later ones."""
    return digests_of({field: value for field, (value, _) in watched.items()})


def changed_fields(watched: Watched, sent: Digests) -> list[str]:
    """List the fields whose value is another one and of which something is said."""
    digests = watched_digests(watched)
    return [
        field
        for field, (_, said) in watched.items()
        if said and field in sent and digests[field] != sent[field]
    ]


def is_told_by_google(type_: str, wanted: JsonObject, patch: JsonObject, fields: list[str]) -> bool:
    """Tell whether Google words the notice: its own keys changed, and no module that shows text."""
    modules = {module.get("id") for module in wanted.get("textModulesData", [])}
    return bool(NOTIFYING.get(type_, frozenset()) & patch.keys()) and not modules & set(fields)


def message_of(version: int, watched: Watched, fields: Iterable[str], header: str) -> JsonObject:
    """Say what changed; its id is the version, by which it is found again."""
    lines = [
        said.replace("%@", value)
        for field in fields
        for value, said in [watched.get(field, ("", ""))]
        if said
    ]
    message = {
        "id": str(version),
        "header": header,
        "body": "\n".join(lines),
    }
    return {key: value for key, value in message.items() if value}
