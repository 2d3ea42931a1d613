"""The generator's public face: what a pass is in each wallet."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.contracts.gateway import ImageReference
from shared.contracts.message import Event, JsonObject, Person, Query


class Content(BaseModel):
    """The parts of a .pkpass that differ from pass to pass; or only `not_modified`."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    handle: str
    content_number: int
    pass_version: int
    last_modified: datetime
    """Whole seconds; rises by at least one over a content that was served."""
    not_modified: bool = False
    pass_json: bytes = b""
    manifest: bytes = b""
    signature: bytes = b""
    images: dict[str, ImageReference] = {}
    files: dict[str, bytes] = {}
    """Small files that are the same for all passes of the template's revision: `pass.strings`."""
    pass_type_identifier: str = ""

    def without_files(self) -> "Content":
        """Return what is told to somebody who has this content."""
        return Content.model_construct(
            handle=self.handle,
            content_number=self.content_number,
            pass_version=self.pass_version,
            last_modified=self.last_modified,
            not_modified=True,
            pass_type_identifier=self.pass_type_identifier,
        )


class ReadContent(Query):
    """What Apple Wallet gets of a pass, at the version given or a later one.

    It is composed now if need be, and signed when it is served for the first time.
    """

    name: ClassVar = "generator.read_contents.v1"
    reply: ClassVar = Content

    account_id: UUID
    handle: str
    template_id: UUID
    template_revision: int
    version: int
    credential_epoch: int = 0
    """The account's credentials that texts are to hold at least."""
    identity_revision: int = 0
    """The revision of the template's signing identity that is to have signed it at least."""
    modified_since: datetime | None = None


class BuiltContent(BaseModel):
    wallet: Literal["apple"] = "apple"
    handle: str
    account_id: UUID
    template_id: UUID
    content_number: int
    pass_version: int
    push_version: int
    last_modified: datetime
    pass_type_identifier: str = ""
    serial_number: str = ""
    since_version: int = 0
    """The first version whose change may be in these bytes: the version of the content before, plus
    one (0: unknown, take pass_version)."""


class ContentBuilt(Event):
    """The bytes of passes are other ones than before; nothing is announced when they are the same.

    The first content of a pass is made when somebody fetches it, and told of by `NoteFetch`.
    """

    name: ClassVar = "generator.content_built.v1"

    contents: list[BuiltContent]


class PassesCompared(Event):
    """What the generator does not know of the passes that `triggers.passes_listed` named."""

    name: ClassVar = "generator.passes_compared.v1"

    comparison_id: UUID
    missing: list[str]
    """The handles of passes of which it knows no version, or only older ones."""


GoogleType = Literal["loyalty", "giftCard", "offer", "eventTicket", "transit", "flight", "generic"]
"""The kinds of passes that Google Wallet knows; a class and its objects are of one."""


class GoogleDocument(BaseModel):
    """A class or an object as it is to be at Google, whole."""

    type: GoogleType
    id: str
    """Of Google's form: the issuer's number, a point, a suffix."""
    body: JsonObject
    digest: str
    """Of the body: equal ones need not be compared."""


class GooglePass(BaseModel):
    """What Google Wallet is to have of a pass."""

    account_id: UUID
    template_id: UUID
    handle: str
    member_id: str | None = None
    version: int
    """Of the pass: an older one that arrives late is dropped."""
    push_version: int
    """The highest version of which its holder is to hear."""
    issuer_id: str
    class_id: str
    class_revision: int = 0
    """Rises with whatever the class is made of: template and style. Of two documents of one version
    the one of the lower revision comes late."""
    class_document: GoogleDocument | None = None
    """None: an existing class is adopted, which we never write."""
    object_document: GoogleDocument
    watched: dict[str, tuple[str, str]] = {}
    """Field → the value that it shows, and its changeMessage: what is said when it changes."""

    @property
    def person(self) -> Person | None:
        return Person(self.account_id, self.member_id) if self.member_id is not None else None


class ReadGoogle(Query):
    """What Google Wallet is to have of a pass, at the version given or a later one.

    From then on the generator follows the pass: it tells whenever that is different.
    """

    name: ClassVar = "generator.read_google.v1"
    reply: ClassVar = GooglePass

    account_id: UUID
    template_id: UUID
    template_revision: int
    handle: str
    version: int
    credential_epoch: int = 0
    issuer_id: str
    """Who makes its class and object; the same for as long as the template lives."""


class GoogleBuilt(Event):
    """What Google Wallet is to have of passes is different; of passes that somebody wants there."""

    name: ClassVar = "generator.google_built.v1"

    passes: list[GooglePass]

    def persons(self) -> Iterable[Person]:
        return [one.person for one in self.passes if one.person is not None]

    def without(self, persons: Collection[Person]) -> Self:
        left = [one for one in self.passes if one.person not in persons]
        return self.model_copy(update={"passes": left})
