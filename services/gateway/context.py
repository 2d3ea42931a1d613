"""What the routes and use cases of the gateway work with."""

from dataclasses import dataclass

from services.gateway.catalogue.accounts import Accounts
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
from services.gateway.catalogue.link_clicks import LinkClicks
from services.gateway.catalogue.links import LinkPrograms
from services.gateway.catalogue.logins import Logins
from services.gateway.catalogue.member_passes import MemberPasses
from services.gateway.catalogue.models import Models
from services.gateway.catalogue.notes import Notes
from services.gateway.catalogue.passcodes import Passcodes
from services.gateway.catalogue.pictures import Pictures
from services.gateway.catalogue.ready_templates import ReadyTemplates
from services.gateway.catalogue.served import ServedContents
from services.gateway.catalogue.shares import SharedLimit
from services.gateway.catalogue.short_links import ShortLinks
from services.gateway.catalogue.showcase import Showcase
from services.gateway.catalogue.styles import StyleGroups, Styles, Stylings
from services.gateway.catalogue.templates import Templates
from shared.database import Database
from shared.messaging.requests import Requester
from shared.passes.apple.tokens import PassTokens
from shared.sealing import MasterKeys


@dataclass(frozen=True)
class Context:
    """Made once in app.py, and given to the `endpoints` of each route module."""

    database: Database
    requester: Requester
    master_keys: MasterKeys
    claims: Claims
    keyring: Keyring
    accounts: Accounts
    keys: Keys
    templates: Templates
    styles: Styles
    style_groups: StyleGroups
    stylings: Stylings
    images: Images
    identities: Identities
    google_issuers: GoogleIssuers
    google_roots: GoogleRoots
    identity_requests: IdentityRequests
    grants: Grants
    constructors: Constructors
    links: LinkPrograms
    link_clicks: LinkClicks
    logins: Logins
    passcodes: Passcodes
    pictures: Pictures
    showcase: Showcase
    models: Models
    member_passes: MemberPasses
    ready_templates: ReadyTemplates
    batches: Batches
    short_links: ShortLinks
    pass2u_limit: SharedLimit
    notes: Notes
    served: ServedContents
    tokens: PassTokens
    base_url: str
    """The address the public sees, without a slash at its end."""
    batch_bytes: int
    """How long the file of a batch may be."""
    short_url: str
    """What the addresses of short links begin with."""
