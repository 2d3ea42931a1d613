"""Templates that an account gets when it first needs one, and may change as any other."""

from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID

from services.gateway.catalogue.templates import Templates
from services.gateway.repository.ready_templates import ReadyTemplateRepository
from shared.database import Database
from shared.identifiers import new_id
from shared.passes.template.document import TemplateDocument

TemplateKind = Literal["loyalty", "linked"]

_MEMBER_ID: Final = "{member_id}"

_DOCUMENTS: Final[Mapping[TemplateKind, dict[str, Any]]] = {
    "loyalty": {
        "pass": {
            "description": "Loyalty card",
            "backgroundColor": "rgb(33, 37, 41)",
            "foregroundColor": "rgb(255, 255, 255)",
            "labelColor": "rgb(206, 212, 218)",
            "logoText": "Loyalty card",
            "storeCard": {
                "primaryFields": [
                    {
                        "key": "tier",
                        "label": "Membership",
                        "value": "{member_tier}",
                        "changeMessage": "Your membership is %@ now",
                    }
                ],
                "secondaryFields": [
                    {
                        "key": "points",
                        "label": "Points",
                        "value": "{member_points}",
                        "changeMessage": "You have %@ points now",
                    },
                    {"key": "member_name", "label": "Member", "value": "{member_name}"},
                ],
                "backFields": [{"key": "member_id", "label": "Member ID", "value": _MEMBER_ID}],
            },
            "barcode": {
                "format": "PKBarcodeFormatQR",
                "message": _MEMBER_ID,
                "altText": _MEMBER_ID,
            },
        },
        # Of the code, as a style may have other fields on the back.
        "google": {"object": {"accountId": "{barcode_message}"}},
        "barcode_policy": "template",
    },
    "linked": {
        "pass": {
            "description": "Bonus pass",
            "backgroundColor": "rgb(33, 37, 41)",
            "foregroundColor": "rgb(255, 255, 255)",
            "labelColor": "rgb(206, 212, 218)",
            "logoText": "WalletPass.ai",
            "generic": {
                "primaryFields": [{"key": "title", "label": "", "value": "Bonus pass"}],
                "secondaryFields": [{"key": "holder", "label": "Member", "value": "Member"}],
            },
            "barcode": {"format": "PKBarcodeFormatQR", "message": "LINKED", "altText": ""},
        },
        "properties": {"account_email": ""},
        "barcode_policy": "template",
    },
}
_NAMES: Final[Mapping[TemplateKind, str]] = {
    "loyalty": "Loyalty card of members",
    "linked": "Pass linked to a loyalty card",
}


class ReadyTemplates:
    """Finds an account's template of a kind, or makes it."""

    def __init__(self, database: Database, templates: Templates) -> None:
        self._database = database
        self._templates = templates

    async def find(self, account_id: UUID, kind: TemplateKind) -> UUID:
        """Give the template; the first to need it, or to find it deleted, makes it anew."""
        async with self._database.connection() as connection:
            found = await ReadyTemplateRepository(connection).find(account_id, kind)
        if found is not None and await self._is_alive(account_id, found):
            return found
        document = TemplateDocument.model_validate(_DOCUMENTS[kind])
        draft = await self._templates.prepare(account_id, _NAMES[kind], document, None)
        async with self._database.work() as work:
            ready = ReadyTemplateRepository(work.connection)
            await ready.lock(account_id)
            present = await ready.find(account_id, kind)
            if present is not None and present != found:  # another was faster
                return present
            template_id = new_id()
            await self._templates.add(work, account_id, draft, template_id=template_id)
            await ready.keep(account_id, kind, template_id)
        return template_id

    async def _is_alive(self, account_id: UUID, template_id: UUID) -> bool:
        return template_id in await self._templates.current(account_id, [template_id])
