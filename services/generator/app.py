"""The generator, wired: which message goes to which handler."""

from functools import partial
from pathlib import Path

from services.generator import jobs
from services.generator.clients import RenderPool
from services.generator.handlers import catalogue, contents, google, passes
from services.generator.repository.bundles import BundleCache
from services.generator.repository.sealed import SEALED
from services.generator.settings import Settings
from shared.contracts.gateway import (
    AccountSaved,
    IdentitySaved,
    ImagesSaved,
    StyleGroupSaved,
    StyleSaved,
    TemplateSaved,
)
from shared.contracts.generator import ReadContent, ReadGoogle
from shared.contracts.triggers import PassesChanged, PassesDeleted, PassesListed
from shared.database import Database
from shared.messaging.subscription import answer, on
from shared.messaging.transport import Transport
from shared.resealing import recall_roots
from shared.service import Job, Service


def build(settings: Settings, _transport: Transport) -> Service:
    """Put the service together; nothing is opened yet."""
    database = Database(
        settings.database_url.get_secret_value(), schema="generator", size=settings.pool_size
    )
    keys = settings.read_master_keys()
    tokens = settings.read_pass_tokens(keys)
    cache = BundleCache(keys, settings.public_url, tokens)
    pool = RenderPool(settings.render_threads)
    return Service(
        name="generator",
        database=database,
        keys=keys,
        sealed=SEALED,
        host=settings.host,
        migrations=Path(__file__).parent / "migrations",
        subscriptions=[
            on(TemplateSaved, catalogue.keep_templates),
            on(AccountSaved, catalogue.keep_accounts),
            on(IdentitySaved, catalogue.keep_identities),
            on(ImagesSaved, catalogue.keep_images),
            on(StyleSaved, catalogue.keep_styles),
            on(StyleGroupSaved, catalogue.keep_style_groups),
            on(PassesChanged, partial(passes.keep_passes, cache=cache, pool=pool)),
            on(PassesDeleted, passes.delete_passes),
            on(PassesListed, passes.compare_passes),
            answer(ReadContent, partial(contents.read_contents, cache=cache, pool=pool)),
            answer(ReadGoogle, partial(google.read_google, cache=cache)),
        ],
        jobs=[
            Job("forget tombstones", partial(jobs.forget_tombstones, database), every=3600),
            Job("cut out tokens", partial(jobs.cut_tokens, database, tokens), every=3600),
        ],
        opened=[partial(recall_roots, database, keys, tokens)],
        closed=[pool.close],
    )
