"""What the events that partners are told hold: subject, cause, and data of each kind."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.message import JsonObject

CauseKind = Literal[
    "api", "scan", "holder", "device", "public", "member", "rule", "expiry", "push_job", "push",
    "clock", "delivery", "link",
]  # fmt: skip


class Cause(BaseModel):
    """What led to it."""

    kind: CauseKind = Field(
        description="api: a call; scan: a scanner; holder: who has the pass; device: a wallet; "
        "public: the pass's page; member: its member changed; rule: a rule; expiry: its date; "
        "push_job: all passes of a template were updated; push: pushing it; clock: time; "
        "delivery: posting webhooks; link: a link that gives passes, by its program."
    )
    id: str | None = Field(None, description="Which one, where that is known.")


class PassSubject(BaseModel):
    """A pass, by its handle."""

    kind: Literal["pass"]
    id: str


class MemberSubject(BaseModel):
    """A member, by its id."""

    kind: Literal["member"]
    id: str


class TemplateSubject(BaseModel):
    """A template, by its id."""

    kind: Literal["template"]
    id: str


class IdentitySubject(BaseModel):
    """A signing identity, by its id."""

    kind: Literal["identity"]
    id: str


class WebhookSubject(BaseModel):
    """A webhook endpoint, by its id."""

    kind: Literal["webhook"]
    id: str


class BatchSubject(BaseModel):
    """A batch, by its id."""

    kind: Literal["batch"]
    id: str


Change = Annotated[
    list[Any], Field(min_length=2, max_length=2, description="Before and after; null: no value.")
]
DeviceName = Annotated[
    str, Field(max_length=8, description="A name of the device that nobody else can use.")
]


class PassFacts(BaseModel):
    """Which pass, and where it stands after the event."""

    handle: str
    template_id: UUID
    member_id: str | None = Field(None, description="Whose pass it is.")
    version: int = Field(ge=1, description="The pass's version after it; it only rises.")
    sequence: int = Field(ge=1, description="The event's number in the pass's own log, gap-free.")


class PassChange(PassFacts):
    """A pass, and what changed of it."""

    changes: dict[str, Change] = Field(
        {}, description="Own values that changed, by path; those that did not are not named."
    )
    nulls: list[str] = Field(
        [], description="Paths in `changes` whose own value is null now, rather than none."
    )
    member_changes: dict[str, Change] = Field(
        {},
        description="Facts of its member that changed. Who a person is stays out of events: such a "
        "change is [null, null].",
    )


class PassHolding(PassChange):
    """A pass, and in which wallet a device has it, or no longer has it."""

    wallet: Literal["apple", "google"] | None = Field(
        None, description="Whose wallet it is; null: somebody noted it by hand."
    )


class PassScan(PassChange):
    """A pass, and what a scan or check changed of it."""

    refused: Literal["voided", "expired"] | None = Field(
        None, description="Why it was refused and changed nothing; null: the pass was valid."
    )


class PassEnd(PassChange):
    """A pass whose date has passed."""

    expiration_date: datetime | None = Field(None, description="The date, as it was then.")


class PassStart(PassFacts):
    """A new pass."""

    values: JsonObject = Field(
        {}, description="Its own values by path, as they were after its rules for creation."
    )


class PassFetch(BaseModel):
    """A file of a pass that was served."""

    handle: str
    template_id: UUID
    version: int = Field(description="The pass's version that the file shows.")
    content_number: int = Field(description="The number of the content, which rises with bytes.")
    status: Literal[200, 304] = Field(description="304: it was there already.")
    source: Literal["device", "public"] = Field(description="A wallet, or the pass's page.")


class PushFailure(BaseModel):
    """A push that was given up."""

    handle: str
    device: DeviceName
    pass_type_identifier: str
    reason: str = Field(description="What Apple's server said, or what went wrong.")
    status: int | None = Field(None, description="The status of its last answer.")
    tries: int = Field(ge=1, description="How often it was tried.")


class IdentityEnd(BaseModel):
    """A certificate that ends soon."""

    identity_id: UUID
    pass_type_identifier: str
    not_after: datetime = Field(description="When it ends.")
    days: int = Field(description="Days that are left: told at 60, 30 and 7.")


class MemberFacts(BaseModel):
    """Which member, and where it stands after the event."""

    member_id: str
    version: int = Field(ge=1, description="The member's version after it; it only rises.")


class MemberState(MemberFacts):
    """A member without what says who the person is."""

    points: int
    tier: str | None = None


class MemberChange(MemberState):
    """A member, and which of its fields changed."""

    fields: list[str] = Field(
        description="Names of the fields that changed; read the member to learn their values."
    )


class PointsChange(MemberFacts):
    """A balance that changed."""

    points: int = Field(description="The balance after it.")
    before: int = Field(description="The balance last told.")
    delta: int


class MemberEnrolment(BaseModel):
    """That a member came to a template's pass, by a link or a batch."""

    member_id: str
    enrolment_id: UUID
    template_id: UUID
    handle: str = Field(description="Of its pass, which is made after the enrolment.")
    program_id: UUID | None = Field(None, description="The link program, if it was a link.")


class EnrolmentConflict(MemberEnrolment):
    """What came otherwise than its member has it; the member stays as it is."""

    fields: list[str] = Field(description="Names of the fields: name, email, phone.")


class TemplateState(BaseModel):
    """Which template, at which revision."""

    template_id: UUID
    revision: int = Field(ge=1)
    name: str | None = None


class WebhookEnd(BaseModel):
    """A webhook endpoint that was disabled."""

    webhook_id: UUID
    reason: str


class MissedMessages(BaseModel):
    """Events that a webhook endpoint did not take in any of its attempts."""

    webhook_id: UUID
    since: datetime = Field(
        description="When the oldest of them happened: the `since` of a replay of what has failed."
    )
    message_ids: list[str] = Field(description="Their ids, as in the webhook-id header.")


class WebhookGreeting(BaseModel):
    """A webhook endpoint that is tried."""

    webhook_id: UUID
    message: str


class BatchEnd(BaseModel):
    """A batch, and what came of its rows."""

    batch_id: UUID
    kind: str = Field(description="What its rows are: `passes`, `members` or `changes`.")
    state: Literal["finished", "cancelled", "failed"]
    rows: int
    done: int = Field(description="How many rows were done, those that failed too.")
    failed: int = Field(description="How many rows failed; `errors.csv` has them.")
