"""The catalogue as the gateway announces it: the newest revision is kept."""

from services.generator.repository.bundles import CatalogueRepository
from services.generator.repository.images import ImageRepository
from services.generator.repository.styles import StyleRepository
from shared.contracts.gateway import (
    AccountSaved,
    IdentitySaved,
    ImagesSaved,
    StyleGroupSaved,
    StyleSaved,
    TemplateSaved,
)
from shared.database import UnitOfWork


async def keep_templates(events: list[TemplateSaved], work: UnitOfWork) -> None:
    catalogue = CatalogueRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.template_id, event.revision)):
        await catalogue.save_template(event)


async def keep_accounts(events: list[AccountSaved], work: UnitOfWork) -> None:
    catalogue = CatalogueRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.account_id, event.credential_epoch)):
        await catalogue.save_account(event)


async def keep_identities(events: list[IdentitySaved], work: UnitOfWork) -> None:
    catalogue = CatalogueRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.identity_id, event.revision)):
        await catalogue.save_identity(event)


async def keep_styles(events: list[StyleSaved], work: UnitOfWork) -> None:
    styles = StyleRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.style_id, event.revision)):
        await styles.save_style(event)


async def keep_style_groups(events: list[StyleGroupSaved], work: UnitOfWork) -> None:
    styles = StyleRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.style_group_id, event.revision)):
        await styles.save_group(event)


async def keep_images(events: list[ImagesSaved], work: UnitOfWork) -> None:
    images = [saved for event in events for saved in event.images]
    await ImageRepository(work.connection).save(images)
