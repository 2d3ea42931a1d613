"""Who listens to what: the one list from which every process declares the whole topology."""

from typing import Final, Literal

from shared.contracts.gateway import (
    AccountSaved,
    IdentitySaved,
    ImagesSaved,
    TemplateDeleted,
    TemplateSaved,
)
from shared.contracts.generator import ContentBuilt
from shared.contracts.member import MembersChanged
from shared.contracts.message import Event
from shared.contracts.notifier import DevicesActed
from shared.contracts.triggers import EventsLogged, PassesChanged, PassesDeleted

ServiceName = Literal["gateway", "generator", "member", "notifier", "triggers"]

LISTENERS: Final[dict[ServiceName, tuple[type[Event], ...]]] = {
    "gateway": (),
    "member": (),
    "triggers": (AccountSaved, TemplateSaved, TemplateDeleted, MembersChanged, DevicesActed),
    "generator": (
        AccountSaved,
        TemplateSaved,
        IdentitySaved,
        ImagesSaved,
        PassesChanged,
        PassesDeleted,
    ),
    "notifier": (
        IdentitySaved,
        TemplateSaved,
        TemplateDeleted,
        MembersChanged,
        EventsLogged,
        ContentBuilt,
        PassesDeleted,
    ),
}
