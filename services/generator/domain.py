"""The signing kernel: from a pass's state to bytes that are ready to be stored. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from shared.contracts.gateway import ImageReference
from shared.contracts.triggers import Pass
from shared.errors import GoneError
from shared.passes.apple.identities import SigningIdentity
from shared.passes.apple.manifest import compose_manifest
from shared.passes.apple.signing import PassSigner
from shared.passes.apple.tokens import PassTokens
from shared.passes.language.state import IssuerFacts
from shared.passes.schema.slots import ICON_SLOTS
from shared.passes.template.compiled import CompiledTemplate


class ContentGoneError(GoneError):
    """The pass was deleted."""

    code = "pass_deleted"


class IdentitySigner:
    """A signing identity at one revision, its key parsed once."""

    def __init__(self, identity: SigningIdentity, revision: int) -> None:
        self.revision = revision
        self.pass_type_identifier = identity.pass_type_identifier
        self.team_identifier = identity.team_identifier
        self.signer = PassSigner(identity.certificate, identity.private_key, identity.intermediates)


@dataclass(frozen=True, slots=True)
class TemplateBundle:
    """All that the passes of one template share: made once per revision of it and its identity."""

    template_id: UUID
    revision: int
    compiled: CompiledTemplate
    images: Mapping[str, ImageReference]
    files: Mapping[str, bytes]
    """Texts in other languages: small files that are the same for all passes."""
    file_digests: Mapping[str, str]
    """The SHA-1 of each file, by name."""
    digests: Mapping[str, str]
    """The same of images and files."""
    facts: IssuerFacts
    identity: IdentitySigner
    tokens: PassTokens
    environment: int = 0
    """A digest of what contents hold besides: the public address, the account's credentials."""
    plain_icon: frozenset[str] = frozenset()
    """Those of the images that were supplied because the template has no icon."""


@dataclass(frozen=True, slots=True)
class RenderedPass:
    """One pass composed; what is None is as it was before."""

    manifest: bytes
    pass_json: bytes | None
    """Without its authentication token, which is put back when it is read."""
    signature_value: bytes | None
    """What of the signature differs from pass to pass; the file is assembled when it is read."""
    token_at: int | None = None
    """Where in `pass_json` the token belongs."""
    token_key: str | None = None
    """The secret it derives from."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of a pass's present content."""

    version: int
    manifest: bytes
    template_revision: int
    identity_revision: int
    content_number: int
    is_deleted: bool


ICON_FILES: Final = frozenset(f"{slot}.png" for slot in ICON_SLOTS)
OwnImages = Mapping[str, ImageReference]
"""File name in the pass → an image that it has of its own."""

NO_IMAGES: Final[OwnImages] = MappingProxyType({})


def render(
    bundle: TemplateBundle,
    pass_: Pass,
    earlier: Earlier | None,
    at: datetime,
    own: OwnImages = NO_IMAGES,
) -> RenderedPass:
    """Compose a pass, and sign it unless the same bytes are signed already."""
    token_key = bundle.tokens.key_of(pass_.token_key)
    token = bundle.tokens.issue(
        token_key, bundle.identity.pass_type_identifier, pass_.serial_number
    )
    pass_json = bundle.compiled.compose(pass_.state(), bundle.facts, authentication_token=token)
    digests = bundle.digests
    if own:
        images = {name: image.sha1 for name, image in lay_over(bundle, own).items()}
        digests = {**bundle.file_digests, **images}
    manifest = compose_manifest(pass_json, digests)
    if earlier is not None and earlier.manifest == manifest:
        if earlier.identity_revision == bundle.identity.revision:
            return RenderedPass(manifest, None, None)
        return RenderedPass(manifest, None, bundle.identity.signer.sign_value(manifest, at))
    bare, token_at = cut_out(pass_json, token)
    signature_value = bundle.identity.signer.sign_value(manifest, at)
    return RenderedPass(manifest, bare, signature_value, token_at, token_key)


def cut_out(pass_json: bytes, token: str) -> tuple[bytes, int]:
    """Take a pass's token out of its pass.json: what is left, and where the token was."""
    text = token.encode()
    at = pass_json.index(text)
    return pass_json[:at] + pass_json[at + len(text) :], at


def put_back(pass_json: bytes, token: str, at: int) -> bytes:
    """Make of a pass.json without its token the bytes that were signed."""
    return pass_json[:at] + token.encode() + pass_json[at:]


def lay_over(bundle: TemplateBundle, own: OwnImages) -> dict[str, ImageReference]:
    """Return a pass's images: its own before the template's, and no plain icon beside its own.

    What is its own is so in every language.
    """
    hidden = frozenset[str]() if ICON_FILES.isdisjoint(own) else bundle.plain_icon
    kept = {
        name: image
        for name, image in bundle.images.items()
        if name not in hidden and name.rpartition("/")[2] not in own
    }
    return {**kept, **own}
