"""Puts the gateway together: the catalogue, every dialect's routes, the pages that explain them."""

from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from aiohttp import web

from services.gateway import handlers
from services.gateway.catalogue import attempts
from services.gateway.catalogue.accounts import Accounts
from services.gateway.catalogue.authority import Authority
from services.gateway.catalogue.batches import Batches
from services.gateway.catalogue.claims import Claims
from services.gateway.catalogue.constructors import Constructors
from services.gateway.catalogue.google_issuers import GoogleIssuers
from services.gateway.catalogue.google_roots import GoogleRoots
from services.gateway.catalogue.grants import Grants
from services.gateway.catalogue.identities import Identities
from services.gateway.catalogue.identity_requests import IdentityRequests
from services.gateway.catalogue.images import Images
from services.gateway.catalogue.keyring import Keyring
from services.gateway.catalogue.keys import Keys
from services.gateway.catalogue.link_clicks import FLUSH_SECONDS, LinkClicks
from services.gateway.catalogue.links import LinkPrograms
from services.gateway.catalogue.logins import Logins
from services.gateway.catalogue.member_passes import MemberPasses
from services.gateway.catalogue.models import Models
from services.gateway.catalogue.notes import Notes
from services.gateway.catalogue.passcodes import Passcodes
from services.gateway.catalogue.passwords import Passwords
from services.gateway.catalogue.pictures import Pictures
from services.gateway.catalogue.ready_templates import ReadyTemplates
from services.gateway.catalogue.served import ServedContents
from services.gateway.catalogue.shares import BEAT_SECONDS, SharedLimit
from services.gateway.catalogue.short_links import ShortLinks
from services.gateway.catalogue.showcase import Showcase
from services.gateway.catalogue.styles import StyleGroups, Styles, Stylings
from services.gateway.catalogue.templates import Templates
from services.gateway.context import Context
from services.gateway.domain import SCOPES
from services.gateway.domain.batches import MEBIBYTES
from services.gateway.jobs.batches import LOOK_SECONDS, RENEW_SECONDS, BatchWorker
from services.gateway.repository.sealed import SEALED
from services.gateway.routes.apple import web_service as wallet
from services.gateway.routes.authentication import authenticator
from services.gateway.routes.depth import read_depth
from services.gateway.routes.documents import document_route
from services.gateway.routes.google import callbacks as google_callbacks
from services.gateway.routes.limits import limiter
from services.gateway.routes.pages import bundles, home, passcodes, rendering
from services.gateway.routes.pages import google as google_pages
from services.gateway.routes.pages import passes as pages
from services.gateway.routes.pages.errors import error_pages
from services.gateway.routes.pass2u import dialect as pass2u
from services.gateway.routes.pass2u import images as pass2u_images
from services.gateway.routes.pass2u import passes as pass2u_passes
from services.gateway.routes.pass2u.words import write_message
from services.gateway.routes.passsource import api as passsource_api
from services.gateway.routes.passsource import links as passsource_links
from services.gateway.routes.passsource import register as passsource_register
from services.gateway.routes.passsource import sign_in as passsource_sign_in
from services.gateway.routes.problems import UNLISTED
from services.gateway.routes.smartpass import clicks, short_links
from services.gateway.routes.v1 import (
    accounts,
    batches,
    deliveries,
    events,
    google_issuers,
    google_passes,
    identities,
    images,
    keys,
    link_programs,
    links,
    members,
    messages,
    passes,
    pushes,
    sources,
    style_groups,
    styles,
    templates,
    webhooks,
)
from services.gateway.routes.v1.asyncapi import asyncapi_document
from services.gateway.routes.walletpass import assets as walletpass_assets
from services.gateway.routes.walletpass import dialect as walletpass
from services.gateway.routes.walletpass import linked as walletpass_linked
from services.gateway.routes.walletpass import members as walletpass_members
from services.gateway.routes.walletpass import passes as walletpass_passes
from services.gateway.routes.walletpass import styles as walletpass_styles
from services.gateway.routes.walletpass.hosts import HostedDialect, beginnings
from services.gateway.routes.walletpass.words import write_failure
from services.gateway.settings import Settings
from shared.contracts.member import MembersErased
from shared.database import Database
from shared.errors import UnavailableError
from shared.google.api import GoogleAddresses, GoogleApi
from shared.http.docs import docs_routes
from shared.http.endpoint import MEBIBYTE, AnyEndpoint, routes
from shared.http.forwarding import TRUSTED_PROXIES
from shared.http.limiting import Buckets, Limits, install_limits
from shared.http.middleware import DIALECTS, PAGES, install_middleware
from shared.http.openapi import openapi_document
from shared.http.outgoing import OutgoingAddressPolicy, OutgoingClient
from shared.http.static import StaticFiles
from shared.messaging.requests import Requester
from shared.messaging.subscription import on
from shared.messaging.transport import Transport
from shared.passes.apple.tokens import PassTokens
from shared.passes.template.json_schema import template_schemas
from shared.resealing import recall_roots
from shared.sealing import MasterKeys
from shared.service import Job, Service

SCHEMA = "gateway"
MIGRATIONS = Path(__file__).parent / "migrations"
TAGS = {
    "Accounts": "Issuers. An account has keys, templates and identities, and may manage others.",
    "API keys": "Keys with scopes; a secret is shown once. Rotation keeps the old one for a while.",
    "Templates": "What a kind of pass looks like and how it behaves. Each change is a revision.",
    "Styles": "Looks that are laid over any template, and groups that pick one by points.",
    "Images": "PNG images by their SHA-256, for templates and for single passes.",
    "Signing identities": "The certificates and keys that sign passes of a pass type identifier.",
    google_issuers.TAG: "Who makes classes and objects at Google, by which service account.",
    "Passes": "Issue, read, change, scan, void and delete passes, and see what happened to them.",
    "Pushes": "Push all installed passes of a template, in a job that may be paused.",
    "Messages": "Texts that wallets show, for one pass or for all of a template.",
    "Links": "Programs of links that make a pass at the first click; nothing of them is stored.",
    "Members": "People known to an account, and their points ledger.",
    "Batches": "Lists of passes, links, members or changes, as CSV or JSON lines.",
    "Webhooks": "Addresses that are told what happens, signed as Standard Webhooks says.",
    "Events": "The feed: every event of the account once, in order and without gaps.",
    "Pages": "What holders of passes open: the public page of a pass and its file.",
    "Apple Wallet": "Apple's web service for passes, which phones ask; no API key.",
    "PassSource": "PassSource's API and links, for shops that come from there.",
    walletpass.TAG: "WalletPass.ai's API; also described alone at `/walletpass/openapi.json`.",
    pass2u.TAG: "Pass2U's Pass API 2.0; also described alone at `/v2/openapi.json`.",
}
ROUTE_MODULES = (
    accounts,
    keys,
    templates,
    styles,
    style_groups,
    images,
    identities,
    google_issuers,
    passes,
    google_passes,
    google_callbacks,
    sources,
    pushes,
    messages,
    members,
    link_programs,
    links,
    batches,
    webhooks,
    bundles,
    deliveries,
    events,
    google_pages,
    pages,
    passcodes,
    wallet,
    passsource_api,
    passsource_links,
    passsource_register,
    passsource_sign_in,
    pass2u_passes,
    pass2u_images,
    walletpass_passes,
    walletpass_members,
    walletpass_styles,
    walletpass_assets,
    walletpass_linked,
    clicks,
    short_links,
)
CREDENTIALS = {
    wallet.CREDENTIAL: {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`ApplePass` and the authentication token that the file of the pass has.",
        "x-command": "ApplePass $AUTHENTICATION_TOKEN",
    }
}
GUIDE = Path(__file__).parent / "routes" / "pages" / "templates" / "guide.html"
DESCRIPTION = """Issues and runs Apple Wallet passes at volume.

Send an API key as `X-API-Key`. A POST with an `Idempotency-Key` may be sent again: it has one
effect and one answer. Errors are problems of RFC 9457.

Whoever asks too often gets 429 and waits as long as `Retry-After` says; `RateLimit` and
`RateLimit-Policy` tell how many requests are left (draft-ietf-httpapi-ratelimit-headers-11)."""


def open_context(
    database: Database,
    requester: Requester,
    master_keys: MasterKeys,
    base_url: str,
    *,
    tokens: PassTokens,
    allow_loopback: bool = False,
    pass2u_limit: int = 0,
    google: GoogleApi | None = None,
    batch_bytes: int = MEBIBYTES * MEBIBYTE,
    short_url: str | None = None,
) -> Context:
    """Put the catalogue together."""
    keyring, images, passwords = Keyring(database), Images(database), Passwords()
    identities = Identities(database, master_keys, base_url)
    templates = Templates(database, images, identities, base_url)
    accounts = Accounts(database, Authority(database, master_keys), identities)
    google_api = google or GoogleApi(GoogleAddresses())
    styles, style_groups = Styles(database, requester, images), StyleGroups(database, requester)
    stylings = Stylings(styles, style_groups)
    showcase = Showcase(templates, stylings, accounts, identities, master_keys, base_url=base_url)
    return Context(
        database=database,
        requester=requester,
        master_keys=master_keys,
        claims=Claims(database, master_keys),
        keyring=keyring,
        accounts=accounts,
        keys=Keys(database, keyring),
        templates=templates,
        styles=styles,
        style_groups=style_groups,
        stylings=stylings,
        constructors=Constructors(database, templates, images),
        images=images,
        identities=identities,
        google_issuers=GoogleIssuers(database, master_keys, google_api),
        google_roots=GoogleRoots(google_api),
        identity_requests=IdentityRequests(database, master_keys),
        grants=Grants(database, showcase, master_keys),
        links=LinkPrograms(database, master_keys),
        link_clicks=LinkClicks(database),
        logins=Logins(database, passwords, master_keys),
        passcodes=Passcodes(database, passwords, master_keys),
        pictures=Pictures(
            OutgoingClient(OutgoingAddressPolicy(allow_loopback=allow_loopback)), images
        ),
        showcase=showcase,
        models=Models(database, templates, showcase),
        member_passes=MemberPasses(database),
        ready_templates=ReadyTemplates(database, templates),
        batches=Batches(database, master_keys),
        short_links=ShortLinks(database, master_keys),
        pass2u_limit=SharedLimit(database, pass2u_limit),
        notes=Notes(requester),
        served=ServedContents(),
        tokens=tokens,
        base_url=base_url,
        batch_bytes=batch_bytes,
        short_url=(short_url or base_url).rstrip("/"),
    )


def list_endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of all route modules."""
    return [endpoint for module in ROUTE_MODULES for endpoint in module.endpoints(context)]


def build(settings: Settings, transport: Transport) -> Service:
    """Make the gateway."""
    database = Database(
        settings.database_url.get_secret_value(), schema=SCHEMA, size=settings.pool_size
    )
    keys = settings.read_master_keys()
    google = GoogleApi(settings.google_addresses)
    context = open_context(
        database,
        Requester(transport),
        keys,
        settings.public_url,
        tokens=settings.read_pass_tokens(keys),
        allow_loopback=settings.allow_loopback,
        pass2u_limit=settings.pass2u_limit,
        google=google,
        batch_bytes=settings.batch_mebibytes * MEBIBYTE,
        short_url=settings.short_url,
    )

    worker = BatchWorker(context)

    async def warn() -> None:
        with suppress(UnavailableError):  # the database may be away at the start
            await context.identities.warn_of_plain_http()

    async def close() -> None:
        await context.link_clicks.flush()
        await context.pass2u_limit.leave()
        await context.keyring.close()
        await context.pictures.close()
        await google.close()

    return Service(
        name="gateway",
        database=database,
        keys=keys,
        sealed=SEALED,
        migrations=MIGRATIONS,
        subscriptions=[
            on(
                MembersErased,
                partial(
                    handlers.erase_members,
                    batches=context.batches,
                    member_passes=context.member_passes,
                ),
            ),
        ],
        jobs=[
            Job("forget expired claims", context.claims.forget_expired, every=600),
            Job("forget attempts", partial(attempts.forget_old, database), every=600),
            Job("forget networks", context.logins.forget_old_networks, every=600),
            Job("count clicks", context.link_clicks.flush, every=FLUSH_SECONDS),
            Job("share limits", context.pass2u_limit.beat, every=BEAT_SECONDS),
            Job("do batches", worker.run, every=LOOK_SECONDS, due=context.batches.due),
            Job("renew leases of batches", worker.renew, every=RENEW_SECONDS),
            Job(
                "forget batches",
                partial(context.batches.forget_over, settings.batch_days),
                every=600,
            ),
        ],
        opened=[
            partial(recall_roots, database, keys, context.tokens),
            context.pictures.open,
            google.open,
            warn,
        ],
        application=_application(context, settings),
        port=settings.port,
        host=settings.host,
        closed=[worker.stop, close],
    )


def describe(endpoints: list[AnyEndpoint]) -> dict[str, Any]:
    """Describe the addresses as OpenAPI 3.1, from the table that routes and validates."""
    return openapi_document(
        endpoints,
        title="Passwright",
        version=_version(),
        description=DESCRIPTION,
        scopes={str(scope): sentence for scope, sentence in SCOPES.items()},
        tags=TAGS,
        credentials=CREDENTIALS,
        components=template_schemas(),
    )


def _application(context: Context, settings: Settings) -> web.Application:
    endpoints = list_endpoints(context)
    app = web.Application()
    app[TRUSTED_PROXIES] = settings.trusted_proxies
    hosts = settings.walletpass_hosts
    app[DIALECTS] = {
        pass2u.ROOT: write_message,
        **dict.fromkeys(beginnings(hosts), write_failure),
    }
    app[PAGES] = error_pages()
    install_middleware(app)
    limits = Limits(
        Buckets("network", settings.limit_per_network, settings.limit_network_burst),
        Buckets("key", settings.limit_per_key, settings.limit_key_burst),
    )
    install_limits(app, limits)
    app.middlewares.extend([limiter(limits), read_depth])
    app.on_cleanup.append(partial(_close_notes, context))  # while there is a transport to tell by
    app.add_routes(
        [
            home.route(context, settings.operator, settings.demo),
            *StaticFiles(rendering.STATIC).routes(),
            *docs_routes(
                describe(endpoints),
                asyncapi_document(_version()),
                UNLISTED,
                GUIDE.read_text("utf-8"),
            ),
        ]
    )
    scopes = {str(scope): sentence for scope, sentence in SCOPES.items()}
    dialects = (pass2u.DIALECT, walletpass.DIALECT)
    app.add_routes([document_route(one, endpoints, _version(), scopes) for one in dialects])
    if hosts:
        app.router.register_resource(HostedDialect(app, hosts))  # looks at every request
    app.add_routes(routes(endpoints, authenticate=authenticator(context.keyring)))
    return app


async def _close_notes(context: Context, _app: web.Application) -> None:
    await context.notes.close()


def _version() -> str:
    try:
        return version("passwright")
    except PackageNotFoundError:
        return "0.1.0"
