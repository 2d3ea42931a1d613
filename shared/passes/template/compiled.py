"""A template compiled once per revision: composing a pass touches only what differs on it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from shared.passes.language import rules
from shared.passes.language.actions import (
    CALL_URL,
    EXECUTE_TRIGGERS,
    Action,
    compile_lists,
    compile_triggers,
)
from shared.passes.language.loops import find_loops
from shared.passes.language.magic import Expansion, Lexicon, Parts, parse, references_of
from shared.passes.language.migrations import follow_moves, migrate, read_migrations
from shared.passes.language.own import own_value
from shared.passes.language.paths import (
    DESCRIPTION_PATH,
    EDIT_CODE_PATH,
    MESSAGE_PATH,
    MIGRATIONS_PATH,
    PASS_DESCRIPTION_PATH,
    STYLE_PATH,
    Leaf,
    Location,
    PathIndex,
    moved_fields,
    pass_style,
    survey,
)
from shared.passes.language.rules import RuleOutcome, Run, Workings
from shared.passes.language.state import Environment, PassState
from shared.passes.schema.barcodes import ONE_PER_PASS, BarcodePolicy, apply_barcodes
from shared.passes.schema.field_styles import FORMED_KEYS, OWN_FORMS, settle_styles, unfit_fields
from shared.passes.schema.registry import POSTER_STYLE, STYLES
from shared.passes.schema.skeleton import BRACKET, Conditional, Node, walk_pass
from shared.passes.schema.slots import lay_over, own_images, shows_own_images_only
from shared.passes.schema.values import MISSING, Json, UnfitError, to_text
from shared.passes.template import checking
from shared.passes.template.assembly import TEXT_KINDS, Assembly, PlacedText, choose_values
from shared.passes.template.card import Card
from shared.passes.template.display import Display, display_of
from shared.passes.template.document import TemplateDocument
from shared.passes.template.hiding import compile_hidings, hide

_NOWHERE: Final = Environment()
_NO_IMAGES: Final[Mapping[str, str]] = MappingProxyType({})


class CallsOutError(Exception):
    """The trigger calls a URL, so that it has to be started and resumed."""


class CompiledTemplate:
    """One revision of a template, ready to check, read, compose and run; it never changes."""

    def __init__(
        self,
        *,
        path_index: PathIndex,
        base: dict[str, Any],
        triggers: Mapping[str, Any],
        barcode_policy: BarcodePolicy,
        organization: str,
        conditionals: Iterable[Conditional] = (),
        images: Mapping[str, str] = _NO_IMAGES,
        environment: Environment = _NOWHERE,
        scan_when_void: bool = False,
        void_when_expired: bool = False,
    ) -> None:
        self.path_index = path_index
        self.scan_when_void = scan_when_void
        self.void_when_expired = void_when_expired
        self.barcode_policy: BarcodePolicy = barcode_policy
        self.environment = environment
        self._base = base
        self._organization = organization
        self._images = images
        self._has_gaps = any(
            leaf.type == "FieldContent" and not _has_value(path_index, leaf)
            for leaf in path_index.given.values()
        )
        self._has_styles = any(
            leaf.field_key is not None and leaf.location[-1] in FORMED_KEYS
            for leaf in path_index.given.values()
        )
        self._texts = _texts(path_index)
        self._placed = [
            PlacedText.of(leaf, self._texts[leaf.path])
            for leaf in sorted(path_index.given.values(), key=lambda leaf: leaf.rank)
            if leaf.path in self._texts and leaf.source == "pass"
        ]
        self._containers = _touched_containers(path_index, base, self._texts)
        self.leaves: Mapping[str, Leaf] = {
            path: leaf
            for path, leaf in path_index.given.items()
            if not leaf.is_container or leaf.source == "property"
        }
        self.editable_paths: tuple[str, ...] = tuple(
            path for path, leaf in path_index.given.items() if leaf.editable
        )
        self.loops: tuple[str, ...] = find_loops(self._texts)
        """The paths of the template's own texts that lead back to themselves."""
        self._hidings = compile_hidings(conditionals, path_index)
        self._moves = _moves(path_index)
        self.edit_code: str = _edit_code(path_index)
        """What opens pages of the template, empty if nothing does."""
        self._lexicon = Lexicon(
            path_index, self._texts, self.barcode_policy, self.edit_code, environment
        )
        self.rules: Mapping[str, list[Action]] = compile_triggers(triggers, path_index)
        self._touched = {
            *(placed.leaf.location for placed in self._placed),
            *(hiding.location for hiding in self._hidings),
            *(leaf.location for leaf in self.leaves.values() if leaf.editable or leaf.dynamic),
            *(
                leaf.location
                for actions in self.rules.values()
                for action in actions
                if (leaf := path_index.find(action.target_path)) is not None
            ),
        } - {()}
        self._workings = Workings(
            lexicon=self._lexicon,
            lists=compile_lists(self.rules, path_index),
            read=self._read,
            compose_text=self._compose_text,
            settle=self._settle_of_rule,
            merge=self.merge_values,
            is_number_place=self._is_number_place,
        )

    def find(self, path: str) -> Leaf | None:
        """Any path that a pass may have, whether the template gives it a value or not."""
        return self.path_index.find(path)

    def varies(self, location: Location) -> bool:
        """Tell whether passes differ at this place, at one within it or at one around it.

        That is where a text has brackets, a condition decides, or users or rules change something;
        a pass may have a value of its own anywhere.
        """
        return any(
            touched[: len(location)] == location[: len(touched)] for touched in self._touched
        )

    def check_values(
        self, values: Mapping[str, Any], *, may_expand: bool = False
    ) -> dict[str, Any]:
        """Return the values as they are to be stored; InvalidError names each unfit path.

        Values that may be expanded may have brackets where a colour or a date is needed.
        """
        return checking.check_values(self.path_index, values, may_expand=may_expand)

    def merge_values(
        self, current: Mapping[str, Any], changes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Lay checked changes over current values; a container drops what was set within it."""
        return checking.merge_values(self.path_index, current, changes)

    def migrate(self, state: PassState) -> PassState:
        """Return the pass with its values under the paths of this revision.

        They follow psPathMigrations, and dynamic fields from one group to another.
        """
        return migrate(state, self._moves)

    def read(self, state: PassState, path: str) -> Json:
        """Return the raw value: the pass's own, else the template's or the member's, or None."""
        return self._read(self.migrate(state), path)

    def _read(self, state: PassState, path: str) -> Json:
        leaf = self.path_index.find(path)
        if leaf is None:
            return None
        if leaf.is_read_only:
            return self.expansion(state).fact(leaf)
        if leaf.is_container and leaf.source == "pass":
            assembly = Assembly(self._base, self.path_index.style)
            assembly.add_values(choose_values(self.path_index, state))
            return assembly.value_at(leaf)
        value, _ = own_value(self.path_index, state.values, leaf)
        if value is MISSING and leaf.path == PASS_DESCRIPTION_PATH and leaf.default is MISSING:
            return self._read(state, DESCRIPTION_PATH)
        value = leaf.default if value is MISSING else value
        return None if value is MISSING else value

    def own_message(self, values: Mapping[str, Any]) -> str:
        """Return the message that a pass's own values give its barcode; empty if they do not."""
        value, _ = own_value(self.path_index, values, self.path_index.known[MESSAGE_PATH])
        return "" if value is MISSING else to_text(value)

    def lacks_message(self, values: Mapping[str, Any]) -> bool:
        """Whether a pass with these values cannot be issued for want of a message of its own."""
        is_needed = self.barcode_policy in ONE_PER_PASS and self.barcode_policy != "random"
        return is_needed and not self.own_message(values)

    def barcode_message(self, state: PassState) -> str:
        """Return what the barcode of a pass says, empty if it has none."""
        return "" if self.barcode_policy == "none" else self.text_of(state, MESSAGE_PATH)

    def text_of(self, state: PassState, path: str) -> str:
        """Return the composed text of a path, nothing if there is none; what a scanner shows."""
        if self.path_index.find(path) is None:
            return ""
        return self.expand(state, f"{{{path}}}")

    def html_of(self, state: PassState, path: str) -> str:
        """Return a text that holds markup, as an author or a rule wrote it, for a page to clean.

        What comes in the place of brackets is escaped.
        """
        state = self.migrate(state)
        leaf = self.path_index.known[path]
        value, owner = own_value(self.path_index, state.values, leaf)
        expansion = self.expansion(state)
        if value is MISSING:
            parts = self._texts.get(path)
            default = "" if leaf.default is MISSING else to_text(leaf.default)
            return expansion.expand_html(parts, path) if parts else default
        if isinstance(value, str) and state.may_expand(owner):
            expanded = expansion.expand_own_text(path, value, owner, is_markup=True)
            return value if expanded is None else expanded
        return to_text(value)

    def find_loops(self, state: PassState) -> tuple[str, ...]:
        """Return the paths whose text leads back to itself on this pass, where it stays text."""
        state = self.migrate(state)
        expansion = self.expansion(state)
        for path in {**self._texts, **state.values}:
            leaf = self.path_index.known.get(path)
            value = state.values.get(path, MISSING)
            if leaf is not None and value is MISSING:
                expansion.expand(self._texts[path], path)
            elif leaf is not None and state.may_expand(path):
                expansion.expand_own(leaf, value)
        return tuple(sorted(set(expansion.loops)))

    def names_shown(self, text: str) -> set[str]:
        """Return the paths and words that a text shows, itself or through texts of the template."""
        found: set[str] = set()
        waiting = [parse(text, self.path_index)]
        while waiting:
            for reference in references_of(waiting.pop() or ()):
                if reference.name not in found:
                    found.add(reference.name)
                    waiting.append(self._texts.get(reference.name))
        return found

    def expand(self, state: PassState, text: str) -> str:
        """Any text with its magic strings replaced."""
        parts = parse(text, self.path_index)
        return self.expansion(self.migrate(state)).expand(parts, "") if parts else text

    def card(self, state: PassState) -> Card:
        """Compose a pass for whichever wallet; the same state makes the same card."""
        own, own_only = own_images(state.values), shows_own_images_only(state.values)
        is_changed = own or own_only
        return Card(
            handle=state.handle,
            serial_number=state.serial,
            content=self._compose(state),
            images=lay_over(self._images, own, own_only=own_only) if is_changed else self._images,
            voided=state.voided,
        )

    def unfit_values(self, state: PassState) -> dict[str, str]:
        """Return the paths of values that do not fit the style of their field, with what is needed.

        Wallet would refuse such a pass; it is composed without the style instead.
        """
        if not self._may_have_styles(state.values):
            return {}
        document = self._compose(state, is_settled=False)
        style = self._style_of(state)
        faults: dict[str, str] = {}
        for group, key, detail in unfit_fields(document, style):
            faults.setdefault(f"structure_{group}_{key}_value", detail)
        return faults

    def _may_have_styles(self, values: Mapping[str, Any]) -> bool:
        return self._has_styles or any(
            path.endswith(OWN_FORMS) or path in self.path_index.containers for path in values
        )

    def _style_of(self, state: PassState) -> str:
        wanted = state.values.get(STYLE_PATH)
        return wanted if isinstance(wanted, str) and wanted in STYLES else self.path_index.style

    def display(self, state: PassState, strings: Mapping[str, str] | None = None) -> Display:
        """Return what a web page shows of the pass; `strings` are its texts in one language."""
        return display_of(self._compose(state), strings or {})

    def start(self, key: str, state: PassState) -> Run:
        """Run a trigger until it ends (`outcome`) or has to call a URL (`call`)."""
        return rules.start(key, self.rules.get(key, []), self.migrate(state), self._workings)

    def may_call(self, key: str) -> bool:
        """Whether a trigger may have to call a URL; a list that is executed may hold anything."""
        return any(a.name in (CALL_URL, EXECUTE_TRIGGERS) for a in self.rules.get(key, ()))

    def resume(self, run: Run, state: PassState) -> Run:
        """Go on after the call, on the pass as it is by now."""
        return rules.resume(run, self.migrate(state), self._workings)

    def load_run(self, data: Mapping[str, Any]) -> Run:
        """Read a run that was kept as JSON while it waited for its call."""
        return rules.load_run(data, self._workings)

    def run(self, key: str, state: PassState) -> RuleOutcome:
        """Return what a trigger that calls no URL makes of the pass's values."""
        if not self.rules.get(key):
            return RuleOutcome(state.values, literal=state.literal)
        outcome = self.start(key, state).outcome
        if outcome is None:
            raise CallsOutError(key)
        return outcome

    def _compose(self, state: PassState, *, is_settled: bool = True) -> dict[str, Any]:
        if self._moves:
            state = migrate(state, self._moves)
        values = state.values
        assembly = Assembly(self._base, self.path_index.style)
        chosen: list[tuple[Leaf, Any]] = []
        if values:
            expansion = None if state.literal is None else self.expansion(state)
            chosen = choose_values(self.path_index, state, expansion)
        assembly.own_containers(self._containers)
        if self._placed:
            own = {leaf.path for leaf, _ in chosen}
            assembly.add_texts(self._placed, self.expansion(state), own)
        assembly.add_values(chosen)
        barcode_policy: BarcodePolicy = self.barcode_policy
        if self._hidings and hide(assembly, self._hidings, self.expansion(state)):
            barcode_policy = "none"
        if self._has_gaps or assembly.has_gaps:
            assembly.drop_fields_without_value()
        document = assembly.document
        self._settle_style(document, values.get(STYLE_PATH))
        if is_settled and self._may_have_styles(values):
            settle_styles(document, self._style_of(state))
        apply_barcodes(document, barcode_policy, state.handle)
        self._fill_names(document)
        return document

    def _fill_names(self, document: dict[str, Any]) -> None:
        """Give the pass the two texts that Wallet needs, where its template has none."""
        if not document.get("organizationName"):
            document["organizationName"] = self._organization
        if not document.get("description"):
            document["description"] = self.path_index.given["description"].default

    def _settle_style(self, document: dict[str, Any], wanted: Json) -> None:
        """Move the structure to the style that the pass asks for."""
        style = self.path_index.style
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

    def expansion(self, state: PassState) -> Expansion:
        """Return what expands texts on a pass, and what its conditions read."""
        return Expansion(self._lexicon, state)

    def _settle_of_rule(self, path: str, value: Json) -> Json:
        leaf = self.path_index.find(path)
        is_barcode = leaf is not None and leaf.location[:1] in {("barcode",), ("barcodes",)}
        if is_barcode and self.barcode_policy in ONE_PER_PASS:
            raise UnfitError("a pass keeps the barcode that it was issued with")
        return checking.settle_of_rule(self.path_index, path, value)

    def _compose_text(self, state: PassState, path: str) -> str | None:
        """Return a text with brackets as it is composed, or None if the raw value says it all."""
        leaf = self.path_index.find(path)
        if leaf is None:
            return None
        value, owner = own_value(self.path_index, state.values, leaf)
        if isinstance(value, str) and state.may_expand(owner):
            return self.expansion(state).expand_own_text(path, value, owner)
        if value is not MISSING:
            return None
        parts = self._texts.get(path)
        return self.expansion(state).expand(parts, path) if parts else None

    def _is_number_place(self, path: str) -> bool:
        leaf = self.path_index.find(path)
        return leaf is not None and leaf.rule.type.kind != "string"


def compile_template(
    document: TemplateDocument,
    *,
    name: str,
    organization: str,
    environment: Environment = _NOWHERE,
) -> CompiledTemplate:
    """Compile a revision; what check_template calls an error is left out, not guessed at."""
    style = pass_style(document.pass_)
    base, walk = walk_pass(document.pass_, style)
    path_index = survey(walk.nodes, style, document.properties, document.images)
    given = _with_names(path_index, name, organization)
    path_index = replace(path_index, given=given, known={**path_index.known, **given})
    return CompiledTemplate(
        path_index=path_index,
        base=_without_unfit_texts(base, walk.nodes, path_index),
        triggers=document.triggers,
        barcode_policy=document.barcode_policy,
        organization=organization,
        conditionals=walk.conditionals,
        images=document.images,
        environment=environment,
        scan_when_void=document.scan_when_void,
        void_when_expired=document.void_when_expired,
    )


def _moves(path_index: PathIndex) -> dict[str, str]:
    """Return old path → new path, of those that lead to a path of today."""
    written = read_migrations(path_index.known[MIGRATIONS_PATH].default)
    moves = follow_moves(moved_fields(path_index) | written)
    return {
        old: leaf.path
        for old, new in moves.items()
        if (leaf := path_index.find(new)) is not None and leaf.path != old
    }


def _edit_code(path_index: PathIndex) -> str:
    default = path_index.known[EDIT_CODE_PATH].default
    return "" if default is MISSING else to_text(default)


def _has_value(path_index: PathIndex, fields_leaf: Leaf) -> bool:
    value = path_index.given.get(f"{fields_leaf.path}_value")
    return value is not None and value.default is not MISSING


def _texts(path_index: PathIndex) -> dict[str, Parts]:
    """Return the template's texts that name a path, cut at their brackets."""
    texts: dict[str, Parts] = {}
    for path, leaf in path_index.given.items():
        if isinstance(leaf.default, str) and (parts := parse(leaf.default, path_index)):
            texts[path] = parts
    return texts


def _touched_containers(
    path_index: PathIndex, base: dict[str, Any], texts: Mapping[str, Parts]
) -> list[Location]:
    """Return the containers in which passes differ: those of texts with brackets, and fields."""
    probe = Assembly(base, path_index.style)
    found: set[Location] = set()
    for path, leaf in path_index.given.items():
        holder = leaf.location[:-1]
        if (path in texts or leaf.is_field_value) and probe.has_at(holder):
            found.update(holder[:depth] for depth in range(1, len(holder) + 1))
    return sorted(found, key=lambda location: (len(location), str(location)))


def _with_names(path_index: PathIndex, name: str, organization: str) -> dict[str, Leaf]:
    """Return the paths a template fills, and the two that Wallet needs and we fill for it."""
    given = dict(path_index.given)
    for key, default in (("description", name), ("organizationName", organization)):
        leaf = path_index.known[key]
        if leaf.default is MISSING or leaf.default == "":
            given[key] = replace(leaf, default=default)
    return given


def _without_unfit_texts(
    base: dict[str, Any], nodes: list[Node], path_index: PathIndex
) -> dict[str, Any]:
    """Without texts such as "{nothing}" where a colour or a date is needed."""
    assembly = Assembly(base, path_index.style)
    for node in nodes:
        text = node.default
        if (
            isinstance(text, str)
            and node.rule.type.kind not in TEXT_KINDS
            and BRACKET.search(text)
            and not parse(text, path_index)
        ):
            assembly.put(node.place.location, None)
    return assembly.document
