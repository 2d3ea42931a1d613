"""The functions about single passes."""

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID, uuid5

from aiohttp import web

from services.gateway.catalogue.images import image_url
from services.gateway.routes.passsource.access import Visit
from services.gateway.routes.passsource.streams import all_events, stream_list
from services.gateway.routes.passsource.templates import whole_facts
from services.gateway.routes.passsource.words import (
    ACCESS_TYPES,
    ParameterError,
    moment,
    only_kind,
    success,
)
from services.gateway.usecases import passes
from services.gateway.usecases.exports import passes_in_pages
from services.gateway.usecases.passes import Order
from shared.contracts.triggers import (
    LastEvent,
    ListPasses,
    Pass,
    PassChanged,
    PassCreated,
    ReadLastEvent,
)
from shared.passes.schema.slots import own_images

ALL: Final = -1
REPLACE: Final = "psReplaceAll"
VOIDED: Final = "voided"
MAX_TOLD: Final = 50
"""Names of parameters that one answer lists."""


async def list_passes(visit: Visit, request: web.Request) -> web.StreamResponse:
    """List the passes of a template to which a kind of event happened."""
    _, template = await visit.template()
    kind = visit.words.access_type()
    count = visit.words.number("count", ALL, ALL)
    question = ListPasses(
        account_id=template.account_id,
        template_id=template.template_id,
        kind=kind,
        skip=visit.words.number("start", 0, 0),
    )
    rows = passes_in_pages(
        visit.context, question, count=None if count == ALL else count, lane="interactive"
    )

    async def pages() -> AsyncIterator[list[Any]]:
        async for page in rows:
            yield [
                _pass_facts(visit, found) for found in await visit.context.showcase.up_to_date(page)
            ]

    return await stream_list(request, "passes", pages())


async def create_pass(visit: Visit) -> web.Response:
    """Create a pass with the values that the caller may set."""
    values = visit.words.paths()
    ignored: list[str] = []
    created = await issue(visit, values, ignored)
    return success(hashedSerialNumber=created.handle, **_told(ignored))


async def issue(
    visit: Visit, values: dict[str, Any], ignored: list[str] | None = None
) -> PassCreated:
    """Issue a pass; without a right to the template only user-editable values are set.

    With one all are, but those that name no path: they go into `ignored`.
    """
    name = visit.template_name()
    template = await visit.find_template(name)
    owner = await visit.owner_of(template.account_id)
    is_voided = _take_voided(values) if owner else None
    if owner:
        values = await _known(visit, template.account_id, template.template_id, values, ignored)
    order = Order(values, trusted=owner is not None)
    created = await passes.issue(
        visit.context,
        template.account_id,
        template.template_id,
        order,
        visit.command_id,
        patience=passes.RUN_PATIENCE,
    )
    if is_voided:
        await _void(visit, template.account_id, created.handle, is_voided=True)
    return created


def _take_voided(values: dict[str, Any]) -> bool | None:
    """Take `voided` out of the values: it is a state of the pass and no value."""
    given = values.pop(VOIDED, None)
    if given is None:
        return None
    text = str(given).lower()
    if text not in {"true", "false", "1", "0"}:
        raise ParameterError("voided must be true or false.")
    return text in {"true", "1"}


async def _void(visit: Visit, account_id: UUID, handle: str, *, is_voided: bool) -> PassChanged:
    return await passes.change(
        visit.context,
        account_id,
        handle,
        "void" if is_voided else "unvoid",
        command_id=uuid5(visit.command_id, VOIDED),
    )


async def _known(
    visit: Visit,
    account_id: UUID,
    template_id: UUID,
    values: dict[str, Any],
    ignored: list[str] | None,
) -> dict[str, Any]:
    """Leave out what names no path of the template, such as `utm_source`, and note it."""
    compiled = await visit.context.showcase.compiled(account_id, template_id)
    unknown = [path for path in values if compiled.find(path) is None]
    if ignored is not None:
        ignored += unknown
    return {path: value for path, value in values.items() if path not in unknown}


def _told(ignored: list[str]) -> dict[str, Any]:
    """Tell which parameters had no effect, if any."""
    return {"ignoredParameters": sorted(ignored)[:MAX_TOLD]} if ignored else {}


async def show_pass(visit: Visit) -> web.Response:
    """Tell about a pass, and about its template."""
    owner, found = await visit.own_pass()
    template = await visit.context.templates.get(found.account_id, found.template_id)
    (shown,) = await visit.context.showcase.up_to_date([found])
    return success(**await whole_facts(visit, owner, template), **_pass_facts(visit, shown))


async def show_tracking(visit: Visit, request: web.Request) -> web.StreamResponse:
    """List what happened to a pass, oldest first."""
    _, found = await visit.own_pass()

    async def pages() -> AsyncIterator[list[Any]]:
        async for events in all_events(visit.context, found.account_id, found.handle):
            yield [
                {
                    "accessType": ACCESS_TYPES.index(event.kind),
                    "time": moment(event.occurred_at),
                    **{name: event.data[name] for name in ("refused",) if name in event.data},
                }
                for event in events
                if event.kind in ACCESS_TYPES
            ]

    return await stream_list(request, "tracking", pages())


async def track_access(visit: Visit) -> web.Response:
    """Let something happen to a pass, and tell the scanner what it shows."""
    _, found = await visit.own_pass()
    kind = only_kind(visit.words.access_type())
    changed = await passes.change(
        visit.context,
        found.account_id,
        found.handle,
        kind,
        command_id=visit.command_id,
        patience=passes.RUN_PATIENCE,
    )
    return success(**(_scan_facts(changed) if kind in {"check", "scan"} else {}))


async def check_access(visit: Visit) -> web.Response:
    """Tell whether something has happened to a pass, and when it did last."""
    _, found = await visit.own_pass()
    question = ReadLastEvent(
        account_id=found.account_id, handle=found.handle, kind=visit.words.access_type()
    )
    event = await visit.context.requester.ask(question, LastEvent)
    last = {"last": moment(event.occurred_at)} if event.occurred_at else {}
    return success(check=event.happened, **last)


async def update_fields(visit: Visit) -> web.Response:
    """Change the values of a pass that the caller may change; nothing is pushed."""
    ignored: list[str] = []
    is_changed = await update(visit, visit.words.paths(but=[REPLACE]), ignored)
    return success(updated=is_changed, **_told(ignored))


async def update(visit: Visit, values: dict[str, Any], ignored: list[str] | None = None) -> bool:
    """Change values; without a right to the pass only user-editable ones. Whether any changed."""
    found = await visit.find_pass()
    owner = await visit.owner_of(found.account_id)
    is_voided = _take_voided(values) if owner else None
    if owner:
        values = await _known(visit, found.account_id, found.template_id, values, ignored)
    changed = await passes.change(
        visit.context,
        found.account_id,
        found.handle,
        "update",
        command_id=visit.command_id,
        values=values,
        trusted=owner is not None,
        replace_all=visit.words.flag(REPLACE) is True,
        push=False,
    )
    if is_voided is None or is_voided == found.voided:
        return changed.values_changed
    await _void(visit, found.account_id, found.handle, is_voided=is_voided)
    return True


async def push_update(visit: Visit) -> web.Response:
    """Push a pass as it is now."""
    _, found = await visit.own_pass()
    await passes.change(
        visit.context, found.account_id, found.handle, "push", command_id=visit.command_id
    )
    return success()


async def delete_pass(visit: Visit) -> web.Response:
    """Delete a pass for good."""
    _, found = await visit.own_pass()
    await passes.change(
        visit.context, found.account_id, found.handle, "delete", command_id=visit.command_id
    )
    return success()


def _pass_facts(visit: Visit, found: Pass) -> dict[str, Any]:
    addresses = {
        f"images_{slot}": image_url(visit.context.base_url, sha256)
        for slot, sha256 in own_images(found.values).items()
    }
    return {"hashedSerialNumber": found.handle, "userFields": {**found.values, **addresses}}


def _scan_facts(changed: PassChanged) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "scanText": changed.scan_text,
        "scanColor": changed.scan_color,
        "description": changed.description,
        "informationURL": changed.information_url,
        "informationLabel": changed.information_label,
        "displayURL": changed.display_url,
    }
    shown = {name: value for name, value in facts.items() if value is not None}
    state = {"voided": changed.voided, "expired": changed.expired}
    refused = {"refused": changed.refused} if changed.refused else {}
    return {"updated": changed.updated, **state, **refused, **shown}
