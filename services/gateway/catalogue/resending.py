"""Announces the whole catalogue again, for a service that lost its projection or is new."""

from services.gateway.catalogue.google_issuers import issuer_saved
from services.gateway.catalogue.identities import identity_saved
from services.gateway.catalogue.images import Images, reference
from services.gateway.catalogue.styles import style_group_saved, style_saved
from services.gateway.catalogue.templates import template_saved
from services.gateway.repository.accounts import AccountRepository
from services.gateway.repository.google_issuers import GoogleIssuerRepository
from services.gateway.repository.identities import IdentityRepository
from services.gateway.repository.images import ImageRepository
from services.gateway.repository.styles import STYLE_GROUPS, STYLES, LookRepository
from services.gateway.repository.templates import TemplateRepository
from shared.contracts.gateway import AccountImage, AccountSaved, ImagesSaved
from shared.database import Database

PAGE = 20
"""A template may hold 256 KiB."""

IMAGES_PAGE = 500


async def resend_catalogue(database: Database) -> int:
    """Announce each account, identity, image, living style and template as it is now; how many."""
    accounts = await _resend_accounts(database)
    identities = await _resend_identities(database) + await _resend_google_issuers(database)
    images = await _resend_images(database)
    styles = await _resend_styles(database, Images(database))
    templates = await _resend_templates(database, Images(database))
    return accounts + identities + images + styles + templates


async def _resend_accounts(database: Database) -> int:
    count, after = 0, None
    while True:
        async with database.work("bulk") as work:
            page = await AccountRepository(work.connection).list_epochs(after, PAGE)
            for account_id, epoch in page:
                work.publish(AccountSaved(account_id=account_id, credential_epoch=epoch))
        if not page:
            return count
        count, after = count + len(page), page[-1][0]


async def _resend_google_issuers(database: Database) -> int:
    count, after = 0, None
    while True:
        async with database.work("bulk") as work:
            page = await GoogleIssuerRepository(work.connection).list_all(after, PAGE)
            for issuer in page:
                work.publish(issuer_saved(issuer))
        if not page:
            return count
        count, after = count + len(page), page[-1].issuer_id


async def _resend_identities(database: Database) -> int:
    count, after = 0, None
    while True:
        async with database.work("bulk") as work:
            page = await IdentityRepository(work.connection).list_all(after, PAGE)
            for identity in page:
                work.publish(identity_saved(identity))
        if not page:
            return count
        count, after = count + len(page), page[-1].identity_id


async def _resend_images(database: Database) -> int:
    count, after = 0, None
    while True:
        async with database.work("bulk") as work:
            page = await ImageRepository(work.connection).list_owned(after, IMAGES_PAGE)
            if not page:
                return count
            work.publish(
                ImagesSaved(
                    images=[
                        AccountImage(account_id=account_id, image=reference(image))
                        for account_id, image in page
                    ]
                )
            )
        count, after = count + len(page), (page[-1][0], page[-1][1].sha256)


async def _resend_styles(database: Database, images: Images) -> int:
    count, after = 0, None
    while True:
        async with database.connection() as connection:
            page = await LookRepository(connection, STYLES).list_all(after, PAGE)
        if not page:
            return count + await _resend_style_groups(database)
        assets = [style.document.assets.apple for style in page]
        references = await images.references(assets, plain=False)
        async with database.work("bulk") as work:
            for style, each in zip(page, references, strict=True):
                work.publish(style_saved(style, each))
        count, after = count + len(page), page[-1].id


async def _resend_style_groups(database: Database) -> int:
    count, after = 0, None
    while True:
        async with database.work("bulk") as work:
            page = await LookRepository(work.connection, STYLE_GROUPS).list_all(after, PAGE)
            for group in page:
                work.publish(style_group_saved(group))
        if not page:
            return count
        count, after = count + len(page), page[-1].id


async def _resend_templates(database: Database, images: Images) -> int:
    count, after = 0, None
    while True:
        async with database.connection() as connection:
            page = await TemplateRepository(connection).list_all(after, PAGE)
        if not page:
            return count
        references = await images.references([t.document["images"] for t, _ in page])
        async with database.work("bulk") as work:
            for (template, organization), each in zip(page, references, strict=True):
                work.publish(template_saved(template, organization, each))
        count, after = count + len(page), page[-1][0].template_id
