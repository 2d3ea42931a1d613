"""Apple Wallet: from a card to pass.json, the manifest over all files, and its signature."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType
from typing import Final
from uuid import UUID

from services.generator.renderers.blanks import Blank
from shared.contracts.gateway import ImageReference
from shared.contracts.triggers import Pass
from shared.passes.apple.identities import SigningIdentity
from shared.passes.apple.manifest import compose_manifest
from shared.passes.apple.pass_json import AppleIssuer, write_pass_json
from shared.passes.apple.signing import PassSigner
from shared.passes.apple.tokens import PassTokens
from shared.passes.language.state import PassState
from shared.passes.schema import slots
from shared.passes.template.compiled import CompiledTemplate
from shared.passes.template.document import TemplateDocument

UNCHANGED: Final = datetime.fromtimestamp(0, UTC)
"""When a blank changed last: never."""


class IdentitySigner:
    """A signing identity at one revision, its key parsed once."""

    def __init__(self, identity: SigningIdentity, revision: int) -> None:
        self.revision = revision
        self.pass_type_identifier = identity.pass_type_identifier
        self.team_identifier = identity.team_identifier
        self.signer = PassSigner(identity.certificate, identity.private_key, identity.intermediates)


@dataclass(frozen=True)
class TemplateBundle:
    """All that the passes of one template share: made once per revision of it and its identity."""

    template_id: UUID
    revision: int
    document: TemplateDocument
    compiled: CompiledTemplate
    images: Mapping[str, ImageReference]
    files: Mapping[str, bytes]
    """Texts in other languages: small files that are the same for all passes."""
    file_digests: Mapping[str, str]
    """The SHA-1 of each file, by name."""
    digests: Mapping[str, str]
    """The same of images and files."""
    issuer: AppleIssuer
    identity: IdentitySigner
    tokens: PassTokens
    credential_epoch: int = 1
    """At which credentials the account is: texts may hold what these seal."""
    environment_digest: int = 0
    """A digest of what contents depend on besides: the public address, the account's credentials,
    which identity it is."""
    plain_icon: frozenset[str] = frozenset()
    """Those of the images that were supplied because the template has no icon."""
    name: str = ""
    organization: str = ""
    """Those of template and account, for what has a style."""
    style_id: UUID | None = None
    """The style that is laid over the template."""
    style_revision: int = 0

    @property
    def named_styles(self) -> tuple[UUID | None, UUID | None]:
        """The style and the group that the template names."""
        return self.document.style_id, self.document.style_group_id

    @property
    def class_revision(self) -> int:
        """Rises with the template and with its style."""
        return self.revision + self.style_revision

    def has_identity(self, template_revision: int, identity_revision: int) -> bool:
        """Whether it signs with that revision of its identity, or is of a later revision itself.

        Another revision of the template may have another identity.
        """
        return self.revision > template_revision or self.identity.revision >= identity_revision

    @cached_property
    def blank(self) -> Blank:
        """A pass that has nothing of its own: no name, no values, no member."""
        nothing = PassState("", "", {}, None, voided=False, changed_at=UNCHANGED)
        pass_json = write_pass_json(self.compiled.card(nothing), self.issuer, "")
        return Blank.of(pass_json, compose_manifest(pass_json, self.digests))

    def sign(self, manifest_digest: bytes, at: datetime) -> bytes:
        """Make what of a signature differs from pass to pass; the costly part of a pass."""
        return self.identity.signer.sign_value(manifest_digest, at)


@dataclass(frozen=True, slots=True)
class ComposedWith:
    """What a content was made with; a bundle of another revision may make another one."""

    template_revision: int
    identity_revision: int
    environment_digest: int

    @classmethod
    def of(cls, bundle: TemplateBundle) -> "ComposedWith":
        return cls(bundle.revision, bundle.identity.revision, bundle.environment_digest)


@dataclass(frozen=True, slots=True)
class Earlier:
    """The present content of a pass."""

    version: int
    """Of the pass, when it was composed."""
    manifest_digest: bytes
    composed_with: ComposedWith
    content_number: int
    is_signed: bool
    token_key: str | None

    def is_made_with(self, bundle: TemplateBundle) -> bool:
        """Whether the bundle would make the same; not if the secret of its token was taken away."""
        is_token_known = (
            self.token_key is None or bundle.tokens.key_of(self.token_key) == self.token_key
        )
        return is_token_known and self.composed_with == ComposedWith.of(bundle)


@dataclass(frozen=True, slots=True)
class RenderedPass:
    """One pass composed; what is None is as it was before, or not made yet."""

    manifest_digest: bytes
    """Its SHA-256, which is what is signed: the same digest, the same content."""
    manifest: bytes | None = None
    pass_json: bytes | None = None
    """Without its authentication token, which is put back when it is read."""
    signature_value: bytes | None = None
    """What of the signature differs from pass to pass; the file is assembled when it is read."""
    token_at: int | None = None
    """Where in `pass_json` the token belongs."""
    token_key: str | None = None
    """The secret it derives from."""


@dataclass(frozen=True, slots=True)
class OwnImages:
    """The images that a pass has of its own, by the names of their files."""

    files: Mapping[str, ImageReference]
    only: bool = False
    """Whether it shows none of its template's but the icon."""


NO_IMAGES: Final = OwnImages(MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class RenderJob:
    """A pass to be composed, and to be signed if somebody is to get it now."""

    bundle: TemplateBundle
    pass_: Pass
    earlier: Earlier | None
    own: OwnImages
    sign: bool

    def render(self, at: datetime) -> RenderedPass:
        """Compose the pass unless that is done, and sign it unless these bytes are signed."""
        earlier = self.earlier
        if (
            earlier is not None
            and earlier.version == self.pass_.version
            and earlier.is_made_with(self.bundle)
        ):
            digest = earlier.manifest_digest
            return RenderedPass(digest, signature_value=self._sign(digest, at))
        token, token_key = self._token()
        card = self.bundle.compiled.card(self.pass_.state())
        pass_json = write_pass_json(card, self.bundle.issuer, token)
        manifest = compose_manifest(pass_json, self._digests())
        digest = sha256(manifest).digest()
        signature_value = self._sign(digest, at)
        if earlier is not None and earlier.manifest_digest == digest:
            return RenderedPass(digest, signature_value=signature_value)
        bare, token_at = cut_out(pass_json, token)
        return RenderedPass(digest, manifest, bare, signature_value, token_at, token_key)

    def _sign(self, manifest_digest: bytes, at: datetime) -> bytes | None:
        earlier = self.earlier
        is_signed = (
            earlier is not None
            and earlier.is_signed
            and earlier.manifest_digest == manifest_digest
            and keeps_signature(earlier.composed_with, ComposedWith.of(self.bundle))
        )
        return self.bundle.sign(manifest_digest, at) if self.sign and not is_signed else None

    def _token(self) -> tuple[str, str]:
        tokens = self.bundle.tokens
        key = tokens.key_of(self.pass_.token_key)
        pass_type = self.bundle.identity.pass_type_identifier
        return tokens.issue(key, pass_type, self.pass_.serial_number), key

    def _digests(self) -> Mapping[str, str]:
        if self.own == NO_IMAGES:
            return self.bundle.digests
        images = {name: image.sha1 for name, image in lay_over(self.bundle, self.own).items()}
        return {**self.bundle.file_digests, **images}


def keeps_signature(before: ComposedWith, after: ComposedWith) -> bool:
    """Whether the same bytes are signed by the same identity."""
    return (before.identity_revision, before.environment_digest) == (
        after.identity_revision,
        after.environment_digest,
    )


def cut_out(pass_json: bytes, token: str) -> tuple[bytes, int]:
    """Take a pass's token out of its pass.json: what is left, and where the token was."""
    text = token.encode()
    at = pass_json.index(text)
    return pass_json[:at] + pass_json[at + len(text) :], at


def put_back(pass_json: bytes, token: str, at: int) -> bytes:
    """Make of a pass.json without its token the bytes that were signed."""
    return pass_json[:at] + token.encode() + pass_json[at:]


def lay_over(bundle: TemplateBundle, own: OwnImages) -> dict[str, ImageReference]:
    """Return a pass's images: its own before the template's, and no plain icon beside its own."""
    template = bundle.images
    if any(map(slots.is_icon, own.files)):
        template = {n: image for n, image in template.items() if n not in bundle.plain_icon}
    return slots.lay_over(template, own.files, own_only=own.only)
