"""Signing identities over HTTP: they go in, their private keys never come out."""

from datetime import datetime
from functools import partial
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from services.gateway.catalogue.claims import KeyReusedError
from services.gateway.catalogue.door import Door
from services.gateway.catalogue.identities import IdentityNotFoundError, SlowIdentityError
from services.gateway.routes.once import answer_once
from services.gateway.routes.paging import page_of, uuid_in_path, uuid_position
from shared.database import UnitOfWork
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import InvalidCursorError, Page, PageQuery
from shared.passes import identities

TAG = "Signing identities"


class UploadedIdentity(BaseModel):
    """A pass type's certificate with its private key and the certificate of its issuer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    p12: Base64Bytes | None = Field(
        None, description="A .p12 file in base64; or else send `pem`.", repr=False
    )
    pem: str | None = Field(
        None,
        max_length=identities.LARGEST_FILE,
        description="Private key and certificates as PEM text.",
        repr=False,
    )
    password: str | None = Field(
        None, max_length=1024, description="What opens the file, if anything.", repr=False
    )


class IdentityView(BaseModel):
    """A signing identity without its key."""

    model_config = ConfigDict(from_attributes=True, title="Identity")

    identity_id: UUID
    pass_type_identifier: str
    team_identifier: str
    not_after: datetime = Field(description="When its certificate expires.")
    fingerprint: str = Field(description="SHA-256 of its certificate.")
    development: bool = Field(description="Made by Passwright for trying out: no phone accepts it.")
    revision: int = Field(description="Rises with each upload for the same pass type.")
    created_at: datetime
    updated_at: datetime


async def upload_identity(call: Call[UploadedIdentity, None], *, door: Door) -> Reply:
    body = call.body
    identity = await door.identities.read(p12=body.p12, password=body.password, pem=body.pem)

    async def save(work: UnitOfWork) -> Reply:
        saved = await door.identities.save(work, call.caller.account_id, identity)
        status = 201 if saved.revision == 1 else 200
        location = {"Location": f"/v1/identities/{saved.identity_id}"}
        return Reply(IdentityView.model_validate(saved), status, location)

    return await answer_once(door, call, save)


async def list_identities(call: Call[None, PageQuery], *, door: Door) -> Page[IdentityView]:
    rows = await door.identities.list(
        call.caller.account_id, uuid_position(call.query), call.query.limit + 1
    )
    return page_of(rows, call.query, IdentityView.model_validate, lambda row: row.identity_id)


async def show_identity(call: Call[None, None], *, door: Door) -> IdentityView:
    identity_id = uuid_in_path(call.path["identity_id"])
    if identity_id is None:
        raise IdentityNotFoundError
    identity = await door.identities.get(call.caller.account_id, identity_id)
    return IdentityView.model_validate(identity)


def endpoints(door: Door) -> list[AnyEndpoint]:
    """List the addresses of signing identities."""
    return [
        Endpoint(
            "POST",
            "/v1/identities",
            partial(upload_identity, door=door),
            summary="Upload a signing identity, or renew one",
            tag=TAG,
            scope="identities:write",
            body=UploadedIdentity,
            returns=IdentityView,
            status=201,
            errors=(
                KeyReusedError,
                SlowIdentityError,
                identities.BrokenIdentityError,
                identities.CertificateNotYetValidError,
                identities.ExpiredCertificateError,
                identities.IdentityTooLargeError,
                identities.IntermediateNotValidError,
                identities.KeyMismatchError,
                identities.MissingIntermediateError,
                identities.MissingPrivateKeyError,
                identities.NoPassTypeError,
                identities.NoTeamError,
                identities.PassTypeMismatchError,
                identities.UnsupportedKeyError,
                identities.WrongPasswordError,
            ),
            description="A certificate for a pass type that is there already renews that identity, "
            "with status 200; what it signs is signed again with the new one.",
        ),
        Endpoint(
            "GET",
            "/v1/identities",
            partial(list_identities, door=door),
            summary="List the signing identities",
            tag=TAG,
            scope="identities:read",
            query=PageQuery,
            returns=Page[IdentityView],
            errors=(InvalidCursorError,),
        ),
        Endpoint(
            "GET",
            "/v1/identities/{identity_id}",
            partial(show_identity, door=door),
            summary="Show a signing identity",
            tag=TAG,
            scope="identities:read",
            returns=IdentityView,
            errors=(IdentityNotFoundError,),
        ),
    ]
