"""The functions about templates."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from services.gateway.catalogue.constructors import TemplateOrder
from services.gateway.catalogue.images import image_url
from services.gateway.domain import Account, Template
from services.gateway.routes.passsource.access import NoRightError, Visit
from services.gateway.routes.passsource.clients import client_facts
from services.gateway.routes.passsource.streams import stream_list
from services.gateway.routes.passsource.words import ParameterError, moment, success
from services.gateway.usecases import pushes
from shared.contracts.triggers import Counts, ReadCounts
from shared.passes.schema.findings import Finding
from shared.passes.schema.images import Png
from shared.passes.schema.slots import IMAGE_SLOTS, own_images
from shared.passes.template.constructor import author_path, unknown_words
from shared.passes.template.document import TemplateDocument

PAGE: Final = 50
MAX_WARNINGS: Final = 100
DELETE: Final = "DELETE"


async def list_templates(visit: Visit, request: web.Request) -> web.StreamResponse:
    """Tell about all templates of the caller."""
    account = visit.account
    facts = await client_facts(visit, account)

    async def pages() -> AsyncIterator[list[Any]]:
        before = None
        while True:
            heads = await visit.context.templates.list(account.account_id, before, PAGE)
            page: list[Any] = []
            for head in heads:
                template = await visit.context.templates.get(account.account_id, head.template_id)
                page.append({**await template_facts(visit, template), **facts})
            yield page
            if len(heads) < PAGE:
                return
            before = heads[-1].template_id

    return await stream_list(request, "templates", pages())


async def show_template(visit: Visit) -> web.Response:
    """Tell about a template, and whose it is."""
    owner, template = await visit.template()
    return success(**await whole_facts(visit, owner, template))


async def whole_facts(visit: Visit, owner: Account, template: Template) -> dict[str, Any]:
    """Tell about a template with the account that owns it."""
    return {**await template_facts(visit, template), **await client_facts(visit, owner)}


async def template_facts(visit: Visit, template: Template) -> dict[str, Any]:
    """Tell about a template, its constructor as it was written."""
    constructor, is_public = await visit.context.constructors.describe(template)
    text = visit.template_hash(template.account_id, template.template_id)
    return {
        "templateId": str(template.template_id),
        "templateName": template.name,
        "templatePublic": is_public,
        "passConstructor": constructor,
        "templateUpdated": moment(template.updated_at),
        "templateHash": text,
        "url": f"{visit.context.base_url}/pass/portal.php?templateHash={text}",
    }


async def show_stats(visit: Visit) -> web.Response:
    """Count passes by what happened to them, from counters that are always up to date."""
    _, template = await visit.template()
    question = ReadCounts(account_id=template.account_id, template_id=template.template_id)
    totals = (await visit.context.requester.ask(question, Counts)).totals
    installed, deleted = totals.get("passes_install", 0), totals.get("passes_remove", 0)
    return success(
        created=totals.get("passes_create", 0),
        installed=installed,
        deleted=deleted,
        theoretical=max(installed - deleted, 0),
        scanned=totals.get("passes_scan", 0),
        registered=totals.get("passes_register", 0),
        age=0,
    )


async def push_all(visit: Visit) -> web.Response:
    """Push all installed passes; it goes on after the answer."""
    _, template = await visit.template()
    pushed = await pushes.push_all(
        visit.context, template.account_id, template.template_id, command_id=visit.command_id
    )
    return success(count=pushed.count)


async def save_template(visit: Visit) -> web.Response:
    """Save a new template, the next revision of one's own, or a copy of another's."""
    account, words, constructors = visit.account, visit.words, visit.context.constructors
    order = TemplateOrder(
        name=words.text("templateName"),
        is_public=words.flag("templatePublic"),
        constructor=words.document("passConstructor"),
    )
    template_id = words.text("templateId")
    visit = replace(visit, named_template=words.named_in_body.get("templateHash", ""))
    if not (words.credentials.get("templateHash") or visit.named_template):
        if template_id:
            raise ParameterError("A templateId needs its templateHash.")
        saved = await constructors.create(account.account_id, order, visit.command_id)
    else:
        name = visit.template_name()
        if template_id and template_id != str(name.template_id):
            raise ParameterError("The templateId is not that of the templateHash.")
        present = await visit.find_template(name)
        if await visit.owner_of(name.account_id):
            saved = await constructors.update(present, order)
        elif (await constructors.find(present.account_id, present.template_id)).is_public:
            saved = await constructors.copy(account.account_id, present, order, visit.command_id)
        else:
            raise NoRightError
    template = saved.template
    warnings = [*map(author_finding, saved.warnings), *_unknown_words(order)]
    return success(
        templateHash=visit.template_hash(template.account_id, template.template_id),
        templateId=str(template.template_id),
        **({"warnings": warnings[:MAX_WARNINGS]} if warnings else {}),
    )


def author_finding(finding: Finding) -> dict[str, str]:
    """Write a finding with its place as the author of a constructor wrote it."""
    return {"path": author_path(finding.path), "code": finding.code, "detail": finding.detail}


def _unknown_words(order: TemplateOrder) -> list[dict[str, str]]:
    return [
        {"path": path, "code": "unknown-key", "detail": detail}
        for path, detail in unknown_words(order.constructor or {})
    ]


async def upload_images(visit: Visit) -> web.Response:
    """Give a template other images: as they are, by URL, or DELETE for none."""
    _, template = await visit.template()
    words = visit.words
    slots = sorted(IMAGE_SLOTS & (words.values.keys() | words.files.keys()))
    unknown = (words.values.keys() | words.files.keys()) - IMAGE_SLOTS
    if unknown or not slots:
        names = f": {', '.join(sorted(unknown)[:5])}" if unknown else ""
        raise ParameterError(f"Send images by their names, such as icon and logo@2x{names}.")
    pngs: dict[str, Png | None] = {
        slot: await _picture(visit, template.account_id, slot) for slot in slots
    }
    async with visit.context.database.work() as work:
        for png in pngs.values():
            if png is not None:
                await visit.context.images.add(work, template.account_id, png)
    changes = {slot: png and png.sha256 for slot, png in pngs.items()}
    await visit.context.constructors.change_images(template, changes)
    return success()


async def _picture(visit: Visit, account_id: UUID, slot: str) -> Png | None:
    content = visit.words.files.get(slot)
    if content is not None:
        return (await visit.context.pictures.fit(account_id, content, [slot]))[slot]
    text = visit.words.need(slot)
    if text == DELETE:
        return None
    return (await visit.context.pictures.fetch(account_id, text, [slot]))[slot]


async def delete_template(visit: Visit) -> web.Response:
    """Delete a template with its passes and their log."""
    _, template = await visit.template()
    await visit.context.templates.delete(template.account_id, template.template_id)
    return success(deletedTemplateId=str(template.template_id))


async def find_image(visit: Visit) -> web.Response:
    """Give the address of an image of a template or a pass, for anybody who knows its name."""
    slot = visit.words.need("image")
    own: dict[str, str] = {}
    if visit.words.credentials.get("templateHash"):
        name = visit.template_name()
        template = await visit.find_template(name)
    else:
        found = await visit.find_pass()
        own = own_images(found.values)
        template = await visit.context.templates.get(found.account_id, found.template_id)
    images = TemplateDocument.model_validate(template.document).images | own
    if slot not in images:
        raise ParameterError(f"There is no image {slot[:40]!r}.")
    return success(url=image_url(visit.context.base_url, images[slot]))
