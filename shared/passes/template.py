"""A template compiled once per revision: composing a pass touches only what differs on it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from shared.passes import checking, rules
from shared.passes.assembly import TEXT_KINDS, Assembly, PlacedText, choose_values
from shared.passes.barcodes import BarcodePolicy, apply_barcodes
from shared.passes.display import Display, display_of
from shared.passes.document import TemplateDocument
from shared.passes.magic import Expansion, Parts, parse
from shared.passes.paths import (
    MEMBER_FACTS,
    STYLE_PATH,
    Catalogue,
    Leaf,
    Location,
    pass_style,
    survey,
)
from shared.passes.registry import POSTER_STYLE, STYLES
from shared.passes.rules import Action, RuleOutcome, Workings
from shared.passes.skeleton import BRACKET, Node, walk_pass
from shared.passes.state import IssuerFacts, PassState
from shared.passes.values import MISSING, Json

_NOBODY: Final = IssuerFacts("", "", "")


class CompiledTemplate:
    """One revision of a template, ready to check, read, compose and run; it never changes."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        base: dict[str, Any],
        triggers: Mapping[str, Any],
        barcode_policy: BarcodePolicy,
        organization: str,
    ) -> None:
        self._catalogue = catalogue
        self._base = base
        self._barcode_policy: BarcodePolicy = barcode_policy
        self._organization = organization
        self._has_gaps = any(
            leaf.type == "FieldContent" and not _has_value(catalogue, leaf)
            for leaf in catalogue.given.values()
        )
        self._texts = _texts(catalogue)
        self._placed = [
            PlacedText.of(leaf, self._texts[leaf.path])
            for leaf in sorted(catalogue.given.values(), key=lambda leaf: leaf.rank)
            if leaf.path in self._texts and leaf.source == "pass"
        ]
        self._containers = _touched_containers(catalogue, base, self._texts)
        self.leaves: Mapping[str, Leaf] = {
            path: leaf
            for path, leaf in catalogue.given.items()
            if not leaf.is_container or leaf.source == "property"
        }
        self.editable_paths: tuple[str, ...] = tuple(
            path for path, leaf in catalogue.given.items() if leaf.editable
        )
        self.rules: Mapping[str, list[Action]] = rules.compile_triggers(triggers, catalogue)
        self._workings = Workings(
            read=self.read,
            compose_text=self._compose_text,
            expand=self.expand,
            settle=lambda path, value: checking.settle(catalogue, path, value),
            merge=self.merge_values,
            is_number_place=self._is_number_place,
        )

    def find(self, path: str) -> Leaf | None:
        """Any path that a pass may have, whether the template gives it a value or not."""
        return self._catalogue.find(path)

    def check_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values as they are to be stored; InvalidError names each unfit path."""
        return checking.check_values(self._catalogue, values)

    def merge_values(
        self, current: Mapping[str, Any], changes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Lay checked changes over current values; a container drops what was set within it."""
        return checking.merge_values(self._catalogue, current, changes)

    def read(self, state: PassState, path: str) -> Json:
        """Return the raw value: the pass's own, else the template's or the member's, or None."""
        leaf = self._catalogue.find(path)
        if leaf is None:
            return None
        if leaf.source == "member":
            return state.member.get(MEMBER_FACTS[leaf.path]) if state.member else None
        if leaf.source == "serial":
            return state.serial
        if leaf.is_container and leaf.source == "pass":
            assembly = Assembly(self._base, self._catalogue.style)
            assembly.add_values(choose_values(self._catalogue, state.values))
            return assembly.value_at(leaf)
        default = None if leaf.default is MISSING else leaf.default
        return state.values.get(leaf.path, default)

    def expand(self, state: PassState, text: str) -> str:
        """Any text with its magic strings replaced."""
        parts = parse(text, self._catalogue)
        return self._expansion(state).expand(parts, "") if parts else text

    def compose(
        self, state: PassState, facts: IssuerFacts, *, authentication_token: str | None = None
    ) -> bytes:
        """pass.json: the same state and facts make the same bytes."""
        document = self._compose(state, facts)
        if authentication_token is not None:
            document["authenticationToken"] = authentication_token
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)

    def display(self, state: PassState) -> Display:
        """Return what a web page shows of the pass."""
        return display_of(self._compose(state, _NOBODY))

    def run(self, key: str, state: PassState) -> RuleOutcome:
        """Return what a trigger makes of the pass's values."""
        actions = self.rules.get(key)
        if not actions:
            return RuleOutcome(state.values)
        return rules.run_actions(actions, state, self._workings)

    def _compose(self, state: PassState, facts: IssuerFacts) -> dict[str, Any]:
        values = state.values
        assembly = Assembly(self._base, self._catalogue.style)
        chosen = choose_values(self._catalogue, values) if values else []
        assembly.own_containers(self._containers)
        if self._placed:
            own = {leaf.path for leaf, _ in chosen}
            assembly.add_texts(self._placed, self._expansion(state), own)
        assembly.add_values(chosen)
        if self._has_gaps or assembly.has_gaps:
            assembly.drop_fields_without_value()
        document = assembly.document
        self._settle_style(document, values.get(STYLE_PATH))
        apply_barcodes(document, self._barcode_policy, state.handle)
        document["formatVersion"] = 1
        document["serialNumber"] = state.serial
        document["passTypeIdentifier"] = facts.pass_type_identifier
        document["teamIdentifier"] = facts.team_identifier
        if not document.get("organizationName"):
            document["organizationName"] = facts.organization_name or self._organization
        if not document.get("description"):
            document["description"] = self._catalogue.given["description"].default
        if facts.web_service_url:
            document["webServiceURL"] = facts.web_service_url
        if state.voided:
            document["voided"] = True
        return document

    def _settle_style(self, document: dict[str, Any], wanted: Json) -> None:
        """Move the structure to the style that the pass asks for."""
        style = self._catalogue.style
        if wanted is None or wanted == style or wanted not in STYLES or style not in document:
            return
        fields = dict(document.pop(style))
        if wanted == "boardingPass":
            fields.setdefault("transitType", "PKTransitTypeGeneric")
        else:
            fields.pop("transitType", None)
        if wanted != "generic":
            document.pop(POSTER_STYLE, None)
        document[wanted] = fields

    def _expansion(self, state: PassState) -> Expansion:
        return Expansion(self._catalogue.known, self._texts, state, self._barcode_policy)

    def _compose_text(self, state: PassState, path: str) -> str | None:
        parts = self._texts.get(path)
        if parts is None or path in state.values:
            return None
        return self._expansion(state).expand(parts, path)

    def _is_number_place(self, path: str) -> bool:
        leaf = self._catalogue.find(path)
        return leaf is not None and leaf.rule.type.kind != "string"


def compile_template(
    document: TemplateDocument, *, name: str, organization: str
) -> CompiledTemplate:
    """Compile a revision; what check_template calls an error is left out, not guessed at."""
    style = pass_style(document.pass_)
    base, walk = walk_pass(document.pass_, style)
    catalogue = survey(walk.nodes, style, document.properties)
    given = _with_names(catalogue, name, organization)
    catalogue = replace(catalogue, given=given, known={**catalogue.known, **given})
    return CompiledTemplate(
        catalogue=catalogue,
        base=_without_unfit_texts(base, walk.nodes, catalogue),
        triggers=document.triggers,
        barcode_policy=document.barcode_policy,
        organization=organization,
    )


def _has_value(catalogue: Catalogue, fields_leaf: Leaf) -> bool:
    value = catalogue.given.get(f"{fields_leaf.path}_value")
    return value is not None and value.default is not MISSING


def _texts(catalogue: Catalogue) -> dict[str, Parts]:
    """Return the template's texts that name a path, cut at their brackets."""
    texts: dict[str, Parts] = {}
    for path, leaf in catalogue.given.items():
        if isinstance(leaf.default, str) and (parts := parse(leaf.default, catalogue)):
            texts[path] = parts
    return texts


def _touched_containers(
    catalogue: Catalogue, base: dict[str, Any], texts: Mapping[str, Parts]
) -> list[Location]:
    """Return the containers in which passes differ: those of texts with brackets, and fields."""
    probe = Assembly(base, catalogue.style)
    found: set[Location] = set()
    for path, leaf in catalogue.given.items():
        holder = leaf.location[:-1]
        if (path in texts or leaf.is_field_value) and probe.has_at(holder):
            found.update(holder[:depth] for depth in range(1, len(holder) + 1))
    return sorted(found, key=lambda location: (len(location), str(location)))


def _with_names(catalogue: Catalogue, name: str, organization: str) -> dict[str, Leaf]:
    """Return the paths a template fills, and the two that Wallet needs and we fill for it."""
    given = dict(catalogue.given)
    for key, default in (("description", name), ("organizationName", organization)):
        leaf = catalogue.known[key]
        if leaf.default is MISSING or leaf.default == "":
            given[key] = replace(leaf, default=default)
    return given


def _without_unfit_texts(
    base: dict[str, Any], nodes: list[Node], catalogue: Catalogue
) -> dict[str, Any]:
    """Without texts such as "{nothing}" where a colour or a date is needed."""
    assembly = Assembly(base, catalogue.style)
    for node in nodes:
        text = node.default
        if (
            isinstance(text, str)
            and node.rule.type.kind not in TEXT_KINDS
            and BRACKET.search(text)
            and not parse(text, catalogue)
        ):
            assembly.put(node.place.location, None)
    return assembly.document
