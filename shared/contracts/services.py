"""Who listens to what: the one list from which every process declares the whole topology."""

from typing import Final, Literal

from shared.contracts.gateway import (
    AccountSaved,
    BatchEnded,
    GoogleIssuerSaved,
    IdentitySaved,
    ImagesSaved,
    StyleGroupSaved,
    StyleSaved,
    TemplateDeleted,
    TemplateSaved,
)
from shared.contracts.generator import ContentBuilt, GoogleBuilt, PassesCompared
from shared.contracts.member import MembersChanged, MembersEnrolled, MembersErased
from shared.contracts.message import Event
from shared.contracts.notifier import DevicesActed, EventsCompared, GoogleWanted
from shared.contracts.triggers import (
    EventsListed,
    EventsLogged,
    PassesChanged,
    PassesDeleted,
    PassesListed,
    PointsAdjusted,
)

ServiceName = Literal["gateway", "generator", "member", "notifier", "triggers"]

LISTENERS: Final[dict[ServiceName, tuple[type[Event], ...]]] = {
    "gateway": (MembersErased,),
    "member": (PointsAdjusted,),
    "triggers": (
        AccountSaved,
        TemplateSaved,
        TemplateDeleted,
        StyleSaved,
        StyleGroupSaved,
        MembersChanged,
        DevicesActed,
        GoogleWanted,
        PassesCompared,
        EventsCompared,
    ),
    "generator": (
        AccountSaved,
        TemplateSaved,
        IdentitySaved,
        ImagesSaved,
        StyleSaved,
        StyleGroupSaved,
        PassesChanged,
        PassesDeleted,
        PassesListed,
    ),
    "notifier": (
        IdentitySaved,
        GoogleIssuerSaved,
        GoogleBuilt,
        TemplateSaved,
        TemplateDeleted,
        BatchEnded,
        MembersChanged,
        MembersEnrolled,
        EventsLogged,
        EventsListed,
        ContentBuilt,
        PassesDeleted,
    ),
}
