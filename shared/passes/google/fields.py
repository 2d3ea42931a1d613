"""The fields of a pass at Google: text modules, links, rows, and keys that Google has for some."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from shared.passes.google.raw import MAX_INT32
from shared.passes.google.section import MAX_IN_ROW, Section
from shared.passes.google.texts import Texts, links_of
from shared.passes.language.paths import Leaf
from shared.passes.schema.registry import FIELD_GROUPS, STYLES
from shared.passes.schema.values import (
    MISSING,
    Json,
    is_list,
    is_number,
    is_object,
    parse_number,
    to_text,
)
from shared.passes.template.compiled import CompiledTemplate

MAX_MODULES: Final = 10
"""Google shows no more of a class, and no more of an object."""

BACK_GROUPS: Final = frozenset({"backFields", "additionalInfoFields"})

_ROW_GROUPS: Final = (("headerFields", "primaryFields"), ("secondaryFields",), ("auxiliaryFields",))
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")
_REST: Final = "rest_of_fields"
_MEANINGS: Final = {
    "{member_points}": "points",
    "{member_name}": "name",
    "{member_external_id}": "id",
    "{member_id}": "id",
}
_TARGETS: Final[Mapping[str, Mapping[str, str]]] = {
    "loyalty": {"points": "loyaltyPoints", "name": "accountName", "id": "accountId"},
    "giftCard": {"money": "balance", "id": "cardNumber"},
    "eventTicket": {"name": "ticketHolderName", "primary": "eventName"},
    "flight": {"name": "passengerName"},
    "transit": {"name": "passengerNames"},
    "generic": {"primary": "header"},
}
_ON_THE_CARD: Final = frozenset({"eventName", "header"})
"""What Google shows as the title of a card, in no row."""

_PATHS: Final = {"loyaltyPoints": "object.loyaltyPoints.balance"}
_PLACES: Final = (
    ("oneItem", ("item",)),
    ("twoItems", ("startItem", "endItem")),
    ("threeItems", ("startItem", "middleItem", "endItem")),
)


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """What becomes of a field of the template."""

    key: str
    group: str
    module_id: str
    target: str = ""
    """The object's key that takes it, if Google has one for it."""
    is_fixed: bool = False
    """Whether it stands on the back with the same text for all passes: the class has it then."""
    rank: int = 0
    """Fields of rows come first, so that they are among the modules that are shown."""

    @property
    def path(self) -> str:
        """Where rows find it."""
        if self.target:
            return _PATHS.get(self.target, f"object.{self.target}")
        part = "class" if self.is_fixed else "object"
        return f"{part}.textModulesData['{self.module_id}']"


@dataclass(frozen=True, slots=True)
class ComposedFields:
    """The fields of one pass, or of the class."""

    modules: list[dict[str, Any]]
    links: list[dict[str, Any]]
    bound: dict[str, dict[str, Any]]
    """Target → the field."""
    left_over: int = 0
    """How many fields had to go into the last module together."""


@dataclass(frozen=True, slots=True)
class _Module:
    plan: FieldPlan
    field: Mapping[str, Any]
    texts: tuple[str, ...]


class Fields:
    """The fields of one template, planned once."""

    def __init__(
        self,
        compiled: CompiledTemplate,
        section: Section,
        texts: Texts,
        blank: Mapping[str, Any],
        style: str,
    ) -> None:
        self._texts = texts
        self._style = style
        self._plans = _plan(compiled, section, style)
        self._is_ranked = section.rows is not None
        self._labels = lru_cache(1024)(self._write_label)
        self._fixed = {
            field["key"]: field
            for group, field in _entries(blank, style)
            if self._plan_of(field, group).is_fixed
        }
        self.rows = _rows(section, self._plans)

    def fixed(self, blank: Mapping[str, Any]) -> ComposedFields:
        """Compose those of the class, out of a pass that has nothing of its own."""
        entries = ((g, f) for g, f in _entries(blank, self._style) if f["key"] in self._fixed)
        return self._compose(entries)

    def compose(self, content: Mapping[str, Any]) -> ComposedFields:
        """Compose those of a pass: all but what the class shows already."""
        style = self._style if self._style in content else _style_of(content)
        fixed = self._fixed
        if fixed:
            return self._compose(
                (group, field)
                for group, field in _entries(content, style)
                if fixed.get(field.get("key", "")) != field
            )
        return self._compose(_entries(content, style))

    def module(self, field: Mapping[str, Any]) -> dict[str, Any]:
        """Compose the text module of a field of a pass."""
        plan = self._plan_of(field, "")
        return self._write(_Module(plan, field, self._texts.shown(field)))

    def _compose(self, entries: Iterable[tuple[str, dict[str, Any]]]) -> ComposedFields:
        modules: list[_Module] = []
        links: dict[str, dict[str, Any]] = {}
        bound: dict[str, dict[str, Any]] = {}
        for group, field in entries:
            plan = self._plan_of(field, group)
            is_back = group in BACK_GROUPS
            if is_back or "attributedValue" in field:
                for uri, words in links_of(field, is_back=is_back):
                    label = words or self._texts.plain(field.get("label")) or uri
                    links.setdefault(uri, {"uri": uri, "description": label})
            if plan.target and (plan.target != "balance" or money(field) is not None):
                bound[plan.target] = field
            elif (texts := self._texts.shown(field))[0]:
                modules.append(_Module(plan, field, texts))
        if self._is_ranked:
            modules.sort(key=lambda module: module.plan.rank)
        left_over = len(modules) - MAX_MODULES + 1 if len(modules) > MAX_MODULES else 0
        written = [
            self._write(module) for module in (modules[: MAX_MODULES - 1] if left_over else modules)
        ]
        if left_over:
            written.append(self._write_rest(modules[MAX_MODULES - 1 :]))
        return ComposedFields(written, list(links.values()), bound, left_over)

    def _plan_of(self, field: Mapping[str, Any], group: str) -> FieldPlan:
        """Return the plan of a field; one that only this pass has is a module."""
        key = to_text(field.get("key"))
        return self._plans.get(key) or FieldPlan(key, group, module_id(key), rank=len(self._plans))

    def _write(self, module: _Module) -> dict[str, Any]:
        label = module.field.get("label")
        header = self._labels(to_text(label)) if label else {}
        body = self._texts.under("body", module.texts)
        return {"id": module.plan.module_id, **header, **body}

    def _write_label(self, label: str) -> dict[str, Any]:
        return self._texts.named("header", label)

    def _write_rest(self, modules: list[_Module]) -> dict[str, Any]:
        lines = [
            [
                f"{label}: {text}" if label else text
                for label, text in zip(
                    self._texts.shown({"value": module.field.get("label")}),
                    module.texts,
                    strict=True,
                )
            ]
            for module in modules
        ]
        return {
            "id": _REST,
            **self._texts.under("body", (*map("\n".join, zip(*lines, strict=True)),)),
        }


def module_id(key: str) -> str:
    """Return the id of a field's text module: its key, of letters that Google takes in ids."""
    cleaned = _UNFIT.sub("_", key)
    return key if cleaned == key else f"{cleaned}_{sha256(key.encode()).hexdigest()[:6]}"


def loyalty_points(field: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    """Return LoyaltyPoints of a field: its whole number, or else the text it shows."""
    number = _number(field)
    is_styled = field.get("currencyCode") is not None or field.get("attributedValue")
    is_whole = number is not None and number == int(number) and abs(number) <= MAX_INT32
    balance: dict[str, Any] = (
        {"int": int(number or 0)}
        if is_whole and not is_styled
        else {"string": texts.shown(field)[0]}
    )
    label = field.get("label")
    return {**(texts.named("label", label) if label else {}), "balance": balance}


def money(field: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return Money of a field that has a currency; None if its value is no number."""
    number = _number(field)
    if number is None:
        return None
    # A million to one in every currency, also where there are no hundredths.
    micros = round(Decimal(repr(number)) * 1_000_000)
    return {"micros": str(micros), "currencyCode": to_text(field.get("currencyCode"))}


def _number(field: Mapping[str, Any]) -> int | float | None:
    value = field.get("value")
    if isinstance(value, str):
        return parse_number(value)
    return value if is_number(value) else None


def _plan(compiled: CompiledTemplate, section: Section, style: str) -> dict[str, FieldPlan]:
    in_rows = [item for row in section.rows or () for item in row]
    targets = dict(_TARGETS.get(section.google_type, {}))
    if any(path.endswith("semantics_eventName") for path in compiled.path_index.given):
        targets.pop("primary", None)  # it is no name then, but on generic cards, which have none
    plans: dict[str, FieldPlan] = {}
    for leaf in _field_leaves(compiled, style):
        key, group = leaf.field_key or "", str(leaf.location[1])
        is_fixed = group in BACK_GROUPS and _is_fixed(compiled, leaf)
        target = ""
        for meaning in () if is_fixed else _meanings(compiled, leaf):
            # Each of Google's keys is for the first field that means it.
            if target := targets.pop(meaning, ""):
                break
        rank = in_rows.index(key) if key in in_rows else len(in_rows) + len(plans)
        plans.setdefault(key, FieldPlan(key, group, module_id(key), target, is_fixed, rank))
    return plans


def _field_leaves(compiled: CompiledTemplate, style: str) -> list[Leaf]:
    """List the values of the template's fields in the order in which a pass shows them."""
    leaves = [
        leaf
        for leaf in compiled.path_index.known.values()
        if leaf.is_field_value and leaf.location[0] == style
    ]
    order = {group: at for at, group in enumerate(FIELD_GROUPS)}
    return sorted(leaves, key=lambda leaf: (order[str(leaf.location[1])], leaf.location[2]))


def _meanings(compiled: CompiledTemplate, leaf: Leaf) -> Iterator[str]:
    """Give what a field shows, the likeliest first."""
    if isinstance(leaf.default, str) and (meaning := _MEANINGS.get(leaf.default.strip())):
        yield meaning
    if leaf.input_type == "points" or leaf.field_key == "points":
        yield "points"
    if leaf.path.removesuffix("value") + "currencyCode" in compiled.path_index.given:
        yield "money"
    if leaf.location[1] == "primaryFields":
        yield "primary"


def _is_fixed(compiled: CompiledTemplate, leaf: Leaf) -> bool:
    """Whether a field shows the same on all passes: a text, and no news."""
    prefix = leaf.path.removesuffix("value")
    is_news = f"{prefix}changeMessage" in compiled.path_index.given
    is_text = leaf.default is not MISSING and leaf.default not in (None, "")
    return is_text and not is_news and not compiled.varies(leaf.location[:-1])


def _rows(section: Section, plans: Mapping[str, FieldPlan]) -> list[dict[str, Any]]:
    if section.rows is not None:
        rows = [[plans[i].path if i in plans else i for i in row] for row in section.rows]
    else:
        rows = [
            [
                plan.path
                for group in groups
                for plan in plans.values()
                if plan.group == group and plan.target not in _ON_THE_CARD
            ][:MAX_IN_ROW]
            for groups in _ROW_GROUPS
        ]
    return [_row(row) for row in rows if row]


def _row(paths: list[str]) -> dict[str, Any]:
    form, places = _PLACES[len(paths) - 1]
    items = [{"firstValue": {"fields": [{"fieldPath": path}]}} for path in paths]
    return {form: dict(zip(places, items, strict=True))}


def _entries(content: Mapping[str, Any], style: str) -> Iterator[tuple[str, dict[str, Any]]]:
    fields: Json = content.get(style)
    if not is_object(fields):
        return
    for group in FIELD_GROUPS:
        entries = fields.get(group)
        if is_list(entries):
            for field in entries:
                if is_object(field):
                    yield group, field


def _style_of(content: Mapping[str, Any]) -> str:
    return next((style for style in STYLES if style in content), "")
