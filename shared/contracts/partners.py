"""What partners are told: stable event names, and the shape of each event as it is posted."""

from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.partner_data import (
    BatchEnd,
    BatchSubject,
    Cause,
    EnrolmentConflict,
    IdentityEnd,
    IdentitySubject,
    MemberChange,
    MemberEnrolment,
    MemberFacts,
    MemberState,
    MemberSubject,
    MissedMessages,
    PassChange,
    PassEnd,
    PassFetch,
    PassHolding,
    PassScan,
    PassStart,
    PassSubject,
    PointsChange,
    PushFailure,
    TemplateState,
    TemplateSubject,
    WebhookEnd,
    WebhookGreeting,
    WebhookSubject,
)
from shared.errors import GoneError

MAX_BODY_BYTES: Final = 64 * 1024
"""Bytes of an event; what would be larger goes thin."""

RETRY_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Pauses between the ten attempts: 75 h 35 min in all, the example of Standard Webhooks."""
RETRY_JITTER: Final = 0.2

TYPE_OF: Final = {
    "create": "pass.created",
    "update": "pass.updated",
    "edit": "pass.edited",
    "scan": "pass.scanned",
    "check": "pass.checked",
    "register": "pass.registered",
    "install": "pass.installed",
    "remove": "pass.removed",
    "device_update": "pass.refreshed",
    "push": "pass.pushed",
    "void": "pass.voided",
    "unvoid": "pass.unvoided",
    "expire": "pass.expired",
    "delete": "pass.deleted",
}
"""Kind of a logged event → the name under which it is told, for good."""


class CursorExpiredError(GoneError):
    """Events after this cursor are no longer kept: read the passes anew, and go on from there."""

    code = "cursor_expired"


class PartnerEvent(BaseModel):
    """Something that happened, as it is posted to webhooks and listed in the feed."""

    id: str = Field(
        pattern=r"^evt_[0-9a-f]{32}$",
        description="The webhook-id: the same over all attempts, replays and the feed.",
    )
    sequence: int = Field(
        ge=0,
        description="Its number in the account's feed: from 1, without gaps, in the order in which "
        "events became true. 0: it is not in the feed.",
    )
    timestamp: datetime = Field(description="When it happened.")
    account: UUID = Field(description="The account it happened in.")
    cause: Cause
    thin: bool = Field(
        default=False,
        description="Its values and changes would make it too large and were left out.",
    )


class PassCreated(PartnerEvent):
    """A pass was issued."""

    type: Literal["pass.created"]
    subject: PassSubject
    data: PassStart


class PassUpdated(PartnerEvent):
    """Values of a pass were changed by its issuer, or its member changed."""

    type: Literal["pass.updated"]
    subject: PassSubject
    data: PassChange


class PassEdited(PartnerEvent):
    """Values of a pass were edited by its holder."""

    type: Literal["pass.edited"]
    subject: PassSubject
    data: PassChange


class PassScanned(PartnerEvent):
    """A pass was scanned, or a scan of it refused."""

    type: Literal["pass.scanned"]
    subject: PassSubject
    data: PassScan


class PassChecked(PartnerEvent):
    """A pass was looked at by a scanner that uses nothing up, or that was refused."""

    type: Literal["pass.checked"]
    subject: PassSubject
    data: PassScan


class PassRegistered(PartnerEvent):
    """Somebody registered a pass as theirs."""

    type: Literal["pass.registered"]
    subject: PassSubject
    data: PassChange


class PassInstalled(PartnerEvent):
    """A device has the pass, in the wallet that is named."""

    type: Literal["pass.installed"]
    subject: PassSubject
    data: PassHolding


class PassRemoved(PartnerEvent):
    """A device, or with Google's wallet everybody, no longer has the pass."""

    type: Literal["pass.removed"]
    subject: PassSubject
    data: PassHolding


class PassRefreshed(PartnerEvent):
    """A holder asked for the newest state of a pass."""

    type: Literal["pass.refreshed"]
    subject: PassSubject
    data: PassHolding


class PassPushed(PartnerEvent):
    """The devices of a pass were asked to be told of it."""

    type: Literal["pass.pushed"]
    subject: PassSubject
    data: PassChange


class PassFetched(PartnerEvent):
    """A file of a pass was fetched."""

    type: Literal["pass.fetched"]
    subject: PassSubject
    data: PassFetch


class PassVoided(PartnerEvent):
    """A pass is no longer valid."""

    type: Literal["pass.voided"]
    subject: PassSubject
    data: PassChange


class PassUnvoided(PartnerEvent):
    """A pass that was void is valid again."""

    type: Literal["pass.unvoided"]
    subject: PassSubject
    data: PassChange


class PassExpired(PartnerEvent):
    """The expiration date of a pass has passed."""

    type: Literal["pass.expired"]
    subject: PassSubject
    data: PassEnd


class PassDeleted(PartnerEvent):
    """A pass was deleted, with its values."""

    type: Literal["pass.deleted"]
    subject: PassSubject
    data: PassChange


class MemberCreated(PartnerEvent):
    """A member is new."""

    type: Literal["member.created"]
    subject: MemberSubject
    data: MemberState


class MemberUpdated(PartnerEvent):
    """A member is different; points have an event of their own."""

    type: Literal["member.updated"]
    subject: MemberSubject
    data: MemberChange


class MemberDeleted(PartnerEvent):
    """A member was deleted, with what was known of the person."""

    type: Literal["member.deleted"]
    subject: MemberSubject
    data: MemberFacts


class MemberEnrolled(PartnerEvent):
    """A member came to a pass of a template, by a link or a batch."""

    type: Literal["member.enrolled"]
    subject: MemberSubject
    data: MemberEnrolment


class MemberConflict(PartnerEvent):
    """Another name, e-mail or phone came with an external id than its member has."""

    type: Literal["member.enrolment_conflict"]
    subject: MemberSubject
    data: EnrolmentConflict


class PointsChanged(PartnerEvent):
    """A member's balance changed; several entries at once are told as one change."""

    type: Literal["points.changed"]
    subject: MemberSubject
    data: PointsChange


class PushFailed(PartnerEvent):
    """A device could not be told of a pass's news."""

    type: Literal["push.failed"]
    subject: PassSubject
    data: PushFailure


class IdentityExpiring(PartnerEvent):
    """A signing certificate ends soon; upload its successor."""

    type: Literal["identity.expiring"]
    subject: IdentitySubject
    data: IdentityEnd


class TemplateCreated(PartnerEvent):
    """A template is new."""

    type: Literal["template.created"]
    subject: TemplateSubject
    data: TemplateState


class TemplateUpdated(PartnerEvent):
    """A template has a new revision."""

    type: Literal["template.updated"]
    subject: TemplateSubject
    data: TemplateState


class TemplateDeleted(PartnerEvent):
    """A template was deleted; its passes follow."""

    type: Literal["template.deleted"]
    subject: TemplateSubject
    data: TemplateState


class BatchFinished(PartnerEvent):
    """All rows of a batch are done, or it was cancelled."""

    type: Literal["batch.finished"]
    subject: BatchSubject
    data: BatchEnd


class BatchFailed(PartnerEvent):
    """A batch could not go on; rows that were not done are among its errors."""

    type: Literal["batch.failed"]
    subject: BatchSubject
    data: BatchEnd


class EndpointDisabled(PartnerEvent):
    """A webhook endpoint is told nothing more until it is enabled again."""

    type: Literal["endpoint.disabled"]
    subject: WebhookSubject
    data: WebhookEnd


class DeliveryExhausted(PartnerEvent):
    """A webhook endpoint did not take events, of other types than this, in ten attempts."""

    type: Literal["delivery.exhausted"]
    subject: WebhookSubject
    data: MissedMessages


class WebhookTest(PartnerEvent):
    """A test that somebody asked for; it goes to one endpoint and is not in the feed."""

    type: Literal["webhook.test"]
    subject: WebhookSubject
    data: WebhookGreeting


EVENTS: Final[dict[str, type[PartnerEvent]]] = {
    get_args(event.model_fields["type"].annotation)[0]: event
    for event in (
        PassCreated, PassUpdated, PassEdited, PassScanned, PassChecked, PassRegistered,
        PassInstalled, PassRemoved, PassRefreshed, PassPushed, PassFetched, PassVoided,
        PassUnvoided, PassExpired, PassDeleted, MemberCreated, MemberUpdated, MemberDeleted,
        MemberEnrolled, MemberConflict, PointsChanged, PushFailed, IdentityExpiring,
        TemplateCreated, TemplateUpdated, TemplateDeleted, BatchFinished, BatchFailed,
        EndpointDisabled, DeliveryExhausted,
        WebhookTest,
    )
}  # fmt: skip
"""Every event by its type."""

TEST: Final = "webhook.test"
EXHAUSTED: Final = "delivery.exhausted"
PATTERNS: Final = frozenset(
    {"*"} | {kind for kind in EVENTS if kind != TEST}
    | {f"{kind.partition('.')[0]}.*" for kind in EVENTS if kind != TEST}
)  # fmt: skip
"""What a subscription may name: types, families of types, everything."""


def matching(kind: str) -> frozenset[str]:
    """List the patterns that a type answers to."""
    return frozenset({kind, f"{kind.partition('.')[0]}.*", "*"})
