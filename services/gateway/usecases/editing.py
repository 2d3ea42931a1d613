"""Changes a pass by what somebody who may do so typed into the editor, and tells who was faster."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Self
from uuid import UUID, uuid5

import orjson

from services.gateway.catalogue.showcase import ShownTemplate
from services.gateway.context import Context
from services.gateway.domain.forms import Input, changes
from services.gateway.usecases import passes
from services.gateway.usecases.registering import kept_images
from shared.contracts.triggers import Pass
from shared.identifiers import new_id
from shared.passes.language.state import PassState

CHANGED_MEANWHILE: Final = "changed_meanwhile"

_MARK: Final = "editor form"
_DIGEST_DIGITS: Final = 16

Button = Literal["void", "unvoid", "scan"]


@dataclass(frozen=True, slots=True)
class Edited:
    """A pass in the editor, and how it was opened."""

    issued: Pass
    model: ShownTemplate
    by_code: bool
    """Whether the template's psEditCode opened it: what is typed then stays plain text."""

    @property
    def state(self) -> PassState:
        return self.model.compiled.migrate(self.issued.state())


@dataclass(frozen=True, slots=True)
class EditForm:
    """What a form carries: its id, and by digests what stood in it when it was made."""

    form_id: UUID
    before: Mapping[str, str]

    @classmethod
    def of(cls, inputs: Sequence[Input], form_id: UUID | None = None) -> Self:
        """Make what a form of these inputs carries; of a form that comes back the id stays."""
        before = {entry.path: _stood(entry) for entry in inputs if entry.kind != "image"}
        return cls(form_id or new_id(), before)

    def write(self, context: Context, handle: str) -> str:
        """Write it, so that it is known as ours and good for one pass only."""
        content = orjson.dumps([self.form_id.hex, self.before])
        return context.master_keys.mint(content, purpose=_MARK, owner=handle)

    @classmethod
    def read(cls, context: Context, handle: str, text: str) -> Self | None:
        """Read what a form carried; None if it is none of ours, or one for another pass."""
        content = context.master_keys.read_token(text, purpose=_MARK, owner=handle)
        if content is None:
            return None
        form_id, before = orjson.loads(content)
        return cls(UUID(form_id), before)

    def merge(self, inputs: Sequence[Input]) -> list[Input]:
        """Let stand what others changed and this form did not; where both did, say so."""
        return [self._merge(entry) for entry in inputs]

    def _merge(self, entry: Input) -> Input:
        known = self.before.get(entry.path)
        if known is None or known == _stood(entry) or _said(entry) == _stood(entry):
            return entry
        if _said(entry) == known:
            return replace(entry, typed=entry.before)
        return replace(entry, fault=CHANGED_MEANWHILE)


async def save(
    context: Context,
    edited: Edited,
    effect_id: UUID,
    inputs: Sequence[Input],
    files: Mapping[str, bytes],
) -> None:
    """Write what was typed, and let the rules of an edit run before the pass is pushed.

    What has the same effect id is done once. InvalidError tells what is refused: by the
    template's rules (`trigger_error`), or at which paths.
    """
    issued = edited.issued
    values = changes(edited.model.compiled, edited.state, inputs)
    values |= await kept_images(context, issued.account_id, inputs, files)
    await passes.change(
        context,
        issued.account_id,
        issued.handle,
        "edit",
        command_id=effect_id,
        values=values,
        literal=edited.by_code,
        template_id=issued.template_id,
        patience=passes.RUN_PATIENCE,
    )


async def press(context: Context, edited: Edited, form: EditForm, button: Button) -> None:
    """Do what a button beside the form does, once for each form."""
    issued = edited.issued
    await passes.change(
        context,
        issued.account_id,
        issued.handle,
        button,
        command_id=uuid5(form.form_id, button),
        template_id=issued.template_id,
        patience=passes.RUN_PATIENCE,
    )


def _said(entry: Input) -> str:
    written = orjson.dumps(entry.value(), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(written).hexdigest()[:_DIGEST_DIGITS]


def _stood(entry: Input) -> str:
    return _said(replace(entry, typed=entry.before))
