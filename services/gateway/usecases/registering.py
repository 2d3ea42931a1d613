"""Registers a pass with what its holder typed into a form, and makes it before if need be."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

from services.gateway.catalogue.short_links import ShortLink
from services.gateway.catalogue.showcase import ShownTemplate
from services.gateway.context import Context
from services.gateway.domain.forms import Input, changes
from services.gateway.usecases import form_marks, passes, short_links
from services.gateway.usecases.passes import Order
from shared import clock
from shared.contracts.triggers import Pass
from shared.errors import ApplicationError
from shared.passes.language.state import PassState
from shared.passes.schema.images import Png
from shared.passes.schema.slots import IMAGE_PATHS
from shared.passes.schema.values import unescape_pointer

_MARK: Final = "registration form"
_CREATE: Final = "create"


@dataclass(frozen=True, slots=True)
class Registration:
    """What is to be registered: a pass, or one that is yet to be made."""

    account_id: UUID
    template_id: UUID
    model: ShownTemplate
    state: PassState
    issued: Pass | None = None
    link: ShortLink | None = None

    @property
    def subject(self) -> str:
        """What a form is for; it is good for nothing else."""
        if self.issued is not None:
            return self.issued.handle
        return self.link.handle if self.link is not None else str(self.template_id)


def of_pass(model: ShownTemplate, issued: Pass) -> Registration:
    """Register a pass that is there."""
    state = model.compiled.migrate(issued.state())
    return Registration(issued.account_id, issued.template_id, model, state, issued=issued)


def of_template(
    model: ShownTemplate, account_id: UUID, template_id: UUID, link: ShortLink | None = None
) -> Registration:
    """Register a pass that is made when the form is sent, by a short link the one of the link."""
    return Registration(account_id, template_id, model, blank_pass(), link=link)


def blank_pass() -> PassState:
    """Give a pass that has nothing of its own yet."""
    return PassState("", "", {}, None, voided=False, changed_at=clock.now(), literal=frozenset())


def mark(context: Context, registration: Registration, form_id: UUID) -> str:
    """Write what a form carries, so that it is known as ours, and sent twice has one effect."""
    return form_marks.write_mark(context, _MARK, registration.subject, form_id)


def read_mark(context: Context, registration: Registration, text: str) -> UUID | None:
    """Read the id of a form; None if it is none of ours, or was made for something else."""
    return form_marks.read_mark(context, _MARK, registration.subject, text)


async def register(
    context: Context,
    registration: Registration,
    form_id: UUID,
    inputs: Sequence[Input],
    files: Mapping[str, bytes],
) -> str:
    """Make the pass if it is not there, and register it; its handle.

    The same form makes one pass, whatever is typed into it the second time, and registers once with
    the same values. InvalidError tells what is refused: by the template's rules (`trigger_error`),
    or at which paths.
    """
    compiled, state = registration.model.compiled, registration.state
    values = changes(compiled, state, inputs)
    values |= await kept_images(context, registration.account_id, inputs, files)
    handle = await _handle(context, registration, form_id, values)
    # To take away what was set whole is more than a user may; what is typed stays plain text.
    takes_away = None in values.values()
    await passes.change(
        context,
        registration.account_id,
        handle,
        "register",
        command_id=id_of_effect(form_id, inputs, files),
        values=values,
        trusted=takes_away,
        literal=takes_away,
        patience=passes.RUN_PATIENCE,
    )
    return handle


def id_of_effect(form_id: UUID, inputs: Sequence[Input], files: Mapping[str, bytes]) -> UUID:
    """Name what a form does, so that the same form with the same content does it once.

    What of it is new is no part of that: sent again, nothing is.
    """
    sent = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    typed = {entry.path: entry.typed for entry in inputs}
    written = orjson.dumps([typed, sent], option=orjson.OPT_SORT_KEYS)
    return uuid5(form_id, hashlib.sha256(written).hexdigest())


def refused(inputs: Sequence[Input], error: ApplicationError) -> list[Input]:
    """Put what was refused to the inputs of the paths that the error names."""
    told = {
        unescape_pointer(str(fault.get("pointer", "")).removeprefix("/values/")): str(
            fault.get("detail", "")
        )
        for fault in error.errors
    }
    return [
        replace(entry, fault="refused", detail=told[entry.path]) if entry.path in told else entry
        for entry in inputs
    ]


async def _handle(
    context: Context, registration: Registration, form_id: UUID, values: dict[str, Any]
) -> str:
    if registration.issued is not None:
        return registration.issued.handle
    if registration.link is not None:
        return await short_links.follow(context, registration.link)
    created = await passes.issue(
        context,
        registration.account_id,
        registration.template_id,
        Order(values, trusted=False),
        uuid5(form_id, _CREATE),
        patience=passes.RUN_PATIENCE,
    )
    return created.handle


async def kept_images(
    context: Context, account_id: UUID, inputs: Sequence[Input], files: Mapping[str, bytes]
) -> dict[str, str]:
    """Keep the images that were sent as files; those of addresses are fetched with the values."""
    wanted = [entry for entry in inputs if entry.kind == "image"]
    values = {entry.path: entry.text for entry in wanted if entry.text}
    pngs: dict[str, Png] = {}
    for entry in wanted:
        if entry.path in files:
            slot = IMAGE_PATHS[entry.path]
            fitted = await context.pictures.fit(account_id, files[entry.path], [slot])
            pngs[entry.path] = fitted[slot]
    if pngs:
        async with context.database.work() as work:
            for png in sorted(pngs.values(), key=lambda png: png.sha256):  # in one order for all
                await context.images.add(work, account_id, png)
    return values | {path: png.sha256 for path, png in pngs.items()}
