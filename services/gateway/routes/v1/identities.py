"""Signing identities over HTTP: they go in, their private keys never come out."""

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from services.gateway.catalogue.identities import IdentityNotFoundError
from services.gateway.catalogue.identity_reader import TooManyUploadsError
from services.gateway.catalogue.identity_requests import (
    RequestNotFoundError,
    TooManyIdentityRequestsError,
)
from services.gateway.context import Context
from services.gateway.domain import Identity
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.paging import page_of, uuid_position
from shared.database import UnitOfWork
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import InvalidCursorError, Page, PageQuery
from shared.http.parsing import uuid_in_path
from shared.http.schema_view import IN_COMMANDS
from shared.passes.apple import identities, identity_files
from shared.passes.apple.signing import SigningKey

TAG = "Signing identities"

File = Annotated[
    Base64Bytes,
    Field(
        json_schema_extra={
            "pattern": r"^(([A-Za-z0-9+/]\s*){4})*"
            r"(([A-Za-z0-9+/]\s*){2}(=\s*){2}|([A-Za-z0-9+/]\s*){3}=\s*)?$"
        }
    ),
]


class UploadedIdentity(BaseModel):
    """A pass type's certificate, its private key and the certificate of its issuer (WWDR).

    They come in one file or in several; the key may also be that of a request made here.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"p12": "MIIKYAIBAzCCChYGCSqGSIb3DQEHAQ==", "password": "secret"}],
            IN_COMMANDS: {"p12": "$P12", "password": "$P12_PASSWORD"},
        },
    )

    p12: File | None = Field(None, description="A .p12 file in base64.", repr=False)
    pem: str | None = Field(
        None,
        max_length=identity_files.MAX_FILE_BYTES,
        description="Private key and certificates as PEM text.",
        repr=False,
    )
    password: str | None = Field(
        None, max_length=1024, description="What opens the file, if anything.", repr=False
    )
    certificates: list[File] = Field(
        default_factory=list[File],
        max_length=identity_files.MAX_CERTIFICATES,
        description="Certificate files (.cer) in base64, DER or PEM: that of the pass type, if its"
        " key was made by `POST /v1/identities/requests`, and Apple's WWDR, if no other file has"
        " it.",
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
    root: str | None = Field(
        description="Who vouches for its chain of certificates; null: not known any more."
    )
    revision: int = Field(description="Rises with each upload for the same pass type.")
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = Field(
        default_factory=list[str], description="Why phones will not accept or update its passes."
    )


class NewRequest(BaseModel):
    """A request for a certificate that is to be made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        "Pass Type ID",
        min_length=1,
        max_length=64,
        description="The common name in the request; Apple replaces it.",
    )


class RequestView(BaseModel):
    """A private key that was made here and waits for its certificate."""

    model_config = ConfigDict(from_attributes=True, title="IdentityRequest")

    request_id: UUID
    csr: str = Field(
        description="The certificate signing request (PKCS #10, PEM): save it as a file and send it"
        " to Apple under Certificates, Pass Type ID Certificate."
    )
    created_at: datetime


class Requests(BaseModel):
    """All open requests of the account, oldest first."""

    data: list[RequestView]


async def upload_identity(call: Call[UploadedIdentity, None], *, context: Context) -> Reply:
    body = call.body
    account_id = call.caller.account_id
    has_key = body.p12 is not None or "PRIVATE KEY" in (body.pem or "")
    identity = await context.identities.read(
        account_id,
        p12=body.p12,
        password=body.password,
        pem=body.pem,
        certificates=body.certificates,
        keys=[] if has_key else await _keys(context, account_id),
    )

    async def save(work: UnitOfWork) -> Reply:
        saved = await context.identities.save(work, account_id, identity)
        await context.identity_requests.settle(work, account_id, identity)
        status = 201 if saved.revision == 1 else 200
        location = {"Location": f"/v1/identities/{saved.identity_id}"}
        return Reply(_shown(saved, context), status, location)

    return await answer_once(context, call, save)


async def list_identities(call: Call[None, PageQuery], *, context: Context) -> Page[IdentityView]:
    rows = await context.identities.list(
        call.caller.account_id, uuid_position(call.query), call.query.limit + 1
    )
    return page_of(rows, call.query, partial(_shown, context=context), lambda row: row.identity_id)


async def show_identity(call: Call[None, None], *, context: Context) -> IdentityView:
    identity_id = uuid_in_path(call.path["identity_id"])
    if identity_id is None:
        raise IdentityNotFoundError
    identity = await context.identities.get(call.caller.account_id, identity_id)
    return _shown(identity, context)


async def request_certificate(call: Call[NewRequest, None], *, context: Context) -> Reply:
    made = await context.identity_requests.prepare(call.caller.account_id, call.body.name)

    async def save(work: UnitOfWork) -> Reply:
        await context.identity_requests.add(work, made)
        return Reply(RequestView.model_validate(made), 201)

    return await answer_once(context, call, save)


async def list_requests(call: Call[None, None], *, context: Context) -> Requests:
    requests = await context.identity_requests.list(call.caller.account_id)
    return Requests(data=[RequestView.model_validate(one) for one in requests])


async def delete_request(call: Call[None, None], *, context: Context) -> None:
    request_id = uuid_in_path(call.path["request_id"])
    await context.identity_requests.delete(call.caller.account_id, request_id)


async def _keys(context: Context, account_id: UUID) -> list[SigningKey]:
    requested = await context.identity_requests.keys(account_id)
    return [*requested, *await context.identities.keys(account_id)]


def _shown(identity: Identity, context: Context) -> IdentityView:
    view = IdentityView.model_validate(identity)
    return view.model_copy(update={"warnings": list(context.identities.warnings(identity))})


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the addresses of signing identities."""
    return [
        Endpoint(
            "POST",
            "/v1/identities",
            partial(upload_identity, context=context),
            summary="Upload a signing identity, or renew one",
            tag=TAG,
            scope="identities:write",
            body=UploadedIdentity,
            returns=IdentityView,
            status=201,
            also=(200,),
            errors=(
                *REPEAT_ERRORS,
                identity_files.SlowIdentityError,
                TooManyUploadsError,
                identity_files.BrokenIdentityError,
                identity_files.CertificateNotYetValidError,
                identity_files.ExpiredCertificateError,
                identity_files.IdentityTooLargeError,
                identity_files.IntermediateNotValidError,
                identity_files.KeyMismatchError,
                identity_files.MissingIntermediateError,
                identity_files.MissingPrivateKeyError,
                identities.NoPassTypeError,
                identities.NoTeamError,
                identity_files.PassTypeMismatchError,
                identities.UnsupportedKeyError,
                identity_files.WrongPasswordError,
            ),
            description="A certificate for a pass type that is there already renews that identity, "
            "with status 200; what it signs is signed again with the new one.",
        ),
        Endpoint(
            "POST",
            "/v1/identities/requests",
            partial(request_certificate, context=context),
            summary="Request a certificate: make its private key here",
            tag=TAG,
            scope="identities:write",
            body=NewRequest,
            returns=RequestView,
            status=201,
            errors=(*REPEAT_ERRORS, TooManyIdentityRequestsError),
            description="The key never leaves Passwright. Apple's answer, a .cer file, is uploaded "
            "with `POST /v1/identities` under `certificates`, together with Apple's WWDR.",
        ),
        Endpoint(
            "GET",
            "/v1/identities/requests",
            partial(list_requests, context=context),
            summary="List the requests that wait for their certificate",
            tag=TAG,
            scope="identities:read",
            returns=Requests,
        ),
        Endpoint(
            "DELETE",
            "/v1/identities/requests/{request_id}",
            partial(delete_request, context=context),
            summary="Delete a request with its private key",
            tag=TAG,
            scope="identities:write",
            status=204,
            errors=(RequestNotFoundError,),
        ),
        Endpoint(
            "GET",
            "/v1/identities",
            partial(list_identities, context=context),
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
            partial(show_identity, context=context),
            summary="Show a signing identity",
            tag=TAG,
            scope="identities:read",
            returns=IdentityView,
            errors=(IdentityNotFoundError,),
        ),
    ]
