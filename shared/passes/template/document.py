"""The template document as its author writes it, and the check that it must pass to be saved."""

import re
from typing import Annotated, Any, ClassVar, Final, TypeAlias
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from shared.passes.language.actions import check_triggers
from shared.passes.language.conditions import read_condition
from shared.passes.language.loops import find_loops
from shared.passes.language.magic import Parts, parse, unknown_paths
from shared.passes.language.migrations import follow_moves, read_migrations
from shared.passes.language.paths import (
    EXPORT_PATHS,
    HANDLE_COLUMN,
    MIGRATIONS_PATH,
    PATH_LISTS,
    Leaf,
    PathIndex,
    pass_style,
    reserved_names,
    survey,
)
from shared.passes.language.specials import PAGES_TO_COME, SPECIAL_WORDS
from shared.passes.schema.barcodes import BarcodePolicy
from shared.passes.schema.companions import check_companions
from shared.passes.schema.findings import Findings
from shared.passes.schema.localization import check_localizations, split_language
from shared.passes.schema.registry import POSTER_STYLE, STYLES
from shared.passes.schema.skeleton import (
    BRACKET,
    Node,
    SkeletonWalk,
    is_attribute_object,
    json_step,
    read_attribute,
    walk_pass,
)
from shared.passes.schema.slots import ICON_SLOTS, IMAGE_PATHS, IMAGE_SLOTS
from shared.passes.schema.strings import normal_date
from shared.passes.schema.values import (
    MISSING,
    Json,
    holds_nul,
    is_date,
    is_list,
    is_object,
    parse_number,
)
from shared.passes.template.checking import IMAGE_DIGEST
from shared.passes.template.schemes import check_schemes

MAX_DOCUMENT_BYTES: Final = 256 * 1024

_DATES: Final = frozenset({"dateStyle", "timeStyle", "isRelative"})
_CIRCLE: Final = "go round in a circle"
_PROPERTY_NAME = re.compile(r"[^{}\x00:]{1,128}")
_NEW_FORMATS: Final = frozenset(
    {
        "PKBarcodeFormatCode39",
        "PKBarcodeFormatCodabar",
        "PKBarcodeFormatEAN13",
        "PKBarcodeFormatI2of5",
    }
)


# Checked by check_template, the part for Google by check_google: they tell errors from oddities.
# Described by json_schema.py.
PassPart: TypeAlias = Annotated[dict[str, Any], WithJsonSchema({"x-component": "Pass"})]
PropertiesPart: TypeAlias = Annotated[dict[str, Any], WithJsonSchema({"x-component": "Properties"})]
GooglePart: TypeAlias = Annotated[dict[str, Any], WithJsonSchema({"x-component": "Google"})]
TriggersPart: TypeAlias = Annotated[dict[str, Any], WithJsonSchema({"x-component": "Triggers"})]


class TemplateDocument(BaseModel):
    """A template's design and behaviour: the pass skeleton and what Passwright adds to it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )

    pass_: PassPart = Field(alias="pass")
    properties: PropertiesPart = Field(default_factory=dict)
    triggers: TriggersPart = Field(default_factory=dict)
    images: dict[str, str] = Field(
        default_factory=dict,
        description="Slot (`logo@2x`, or for one language `de.lproj/logo@2x`) → SHA-256.",
    )
    localizations: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="Language → text of the pass → the same in that language.",
        examples=[{"de": {"Points": "Punkte"}}],
    )
    google: GooglePart = Field(
        default_factory=dict,
        description="What Google Wallet shows otherwise than it follows from `pass`.",
        examples=[{"issuer_id": "3388000000012345678", "rows": [["points", "tier"]]}],
    )
    barcode_policy: BarcodePolicy = "template"
    scan_when_void: bool = Field(
        default=False,
        description="Whether the rules of a scan or check run on a pass that is voided or expired. "
        "If not, the event is logged as refused and changes nothing.",
    )
    void_when_expired: bool = Field(
        default=False,
        description="Whether a pass is voided when its expirationDate passes, until it gets a "
        "later one.",
    )

    style_id: UUID | None = Field(
        default=None, description="What passes look like where neither they nor members say it."
    )
    style_group_id: UUID | None = Field(
        default=None, description="The same by points of the member; it goes before `style_id`."
    )

    @model_validator(mode="after")
    def _is_storable(self) -> "TemplateDocument":
        parts = [self.pass_, self.properties, self.triggers, self.images, self.localizations]
        parts.append(self.google)
        try:
            raw = orjson.dumps(parts)
        except TypeError as error:
            raise ValueError(f"not plain JSON: {error}") from error
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise ValueError(f"a template holds at most {MAX_DOCUMENT_BYTES // 1024} KiB")
        if holds_nul(raw):
            raise ValueError("texts may not hold the NUL character")
        return self


def check_template(document: TemplateDocument) -> Findings:
    """Everything that is wrong with a template, and everything that is merely odd."""
    style = pass_style(document.pass_)
    _, walk = walk_pass(document.pass_, style)
    findings = walk.findings
    _check_style(document.pass_, style, findings)
    path_index = survey(walk.nodes, style, document.properties, document.images)
    _check_texts(walk, path_index)
    for conditional in walk.conditionals:
        read_condition(conditional.text, conditional.json_path, path_index, findings)
    _check_formats(walk.nodes, path_index, findings)
    _check_barcodes(walk.nodes, findings)
    check_companions(document.pass_, walk.nodes, style, document.images, findings)
    for key in ("description", "organizationName"):
        leaf = path_index.given.get(key)
        if leaf is None or leaf.default in {MISSING, ""}:
            findings.warn("missing-key", f"$.pass.{key}", "missing: filled in at composing")
    _check_properties(document.properties, path_index, findings)
    _check_loops(walk.nodes, document.properties, path_index, findings)
    check_triggers(document.triggers, path_index, findings)
    _check_images(document.images, findings)
    check_localizations(document.localizations, document.images, _texts(walk.nodes), findings)
    check_schemes(path_index, document.images, findings)
    return findings


def _check_style(data: dict[str, Any], style: str, findings: Findings) -> None:
    styles = [name for name in STYLES if name in data]
    if len(styles) != 1:
        found = ", ".join(styles) or "none"
        findings.error(
            "style", "$.pass", f"exactly one style of {', '.join(STYLES)}; {found} found"
        )
    if POSTER_STYLE in data and style != "generic":
        findings.error("style", f"$.pass.{POSTER_STYLE}", "may stand only beside generic")
    if style == "boardingPass":
        fields = data[style]
        if is_object(fields) and fields.get("transitType") is None:
            findings.error("transit-type", "$.pass.boardingPass", "needs a transitType")


def _check_texts(walk: SkeletonWalk, path_index: PathIndex) -> None:
    for node in walk.nodes:
        if not isinstance(node.default, str) or not BRACKET.search(node.default):
            continue
        path = node.place.json_path
        unknown = unknown_paths(node.default, path_index)
        for name in unknown:
            walk.findings.warn("unknown-path", path, f"{{{name}}} names no path and stays text")
        _warn_of_pages(node.default, path, walk.findings)
        is_text = node.rule.type.kind in {"string", "value", "any"}
        if not is_text and len(unknown) == len(BRACKET.findall(node.default)):
            walk.findings.error("type", path, f"{node.rule.type.text} is needed")


def _warn_of_pages(text: str, path: str, findings: Findings) -> None:
    for word in sorted(PAGES_TO_COME & set(BRACKET.findall(text))):
        findings.warn("page", path, f"{{{word}}} leads to a page that is not available yet")


def _check_formats(nodes: list[Node], path_index: PathIndex, findings: Findings) -> None:
    """Styles on values that they do not fit; Wallet then shows nothing or refuses the pass."""
    for node in nodes:
        key = node.place.location[-1]
        value = _field_value(node, path_index)
        if value is None:
            continue
        text = value.default
        if not isinstance(text, str) or BRACKET.search(text):
            is_odd = key in _DATES and not isinstance(text, str)
        elif key in {"numberStyle", "currencyCode"}:
            is_odd = parse_number(text) is None
        else:
            is_odd = not is_date(normal_date(text))
        if is_odd:
            findings.warn("format", node.place.json_path, f"{key} does not fit the field's value")


def _field_value(node: Node, path_index: PathIndex) -> Leaf | None:
    """Return the value beside a style key of a field, if the template gives one."""
    styles = {"numberStyle", "currencyCode", *_DATES}
    if node.place.field_key is None or node.place.location[-1] not in styles:
        return None
    leaf = path_index.given.get("_".join((*node.place.parts[:-1], "value")))
    return None if leaf is None or leaf.default is MISSING else leaf


def _check_barcodes(nodes: list[Node], findings: Findings) -> None:
    for node in nodes:
        if node.place.location != ("barcodes",) or not is_list(node.default):
            continue
        formats = [entry.get("format") for entry in node.default if is_object(entry)]
        if formats and str(formats[-1]) in _NEW_FORMATS:
            detail = "formats of iOS 27 need an older one after them"
            findings.warn("barcode-format", node.place.json_path, detail)


def _check_properties(
    properties: dict[str, Any], path_index: PathIndex, findings: Findings
) -> None:
    reserved = reserved_names()
    for name, value in properties.items():
        path = "$.properties" + json_step(name)
        known = path_index.known.get(name)
        is_taken = known is not None and known.source not in {"property", "image"}
        if not _PROPERTY_NAME.fullmatch(name):
            findings.error("property-name", path, "1 to 128 characters, without { } and :")
        elif name in reserved or name in path_index.aliases or is_taken:
            findings.error("property-name", path, f"{name} is the name of a part of the pass")
        elif name in SPECIAL_WORDS:
            detail = f"{{{name}}} in a text is the special word, never this property"
            findings.warn("property-name", path, detail)
        if name in IMAGE_PATHS and not _is_only_attributes(value):
            detail = "only attributes such as editable stand here; the image is one of `images`"
            findings.error("property-value", path, detail)
        if is_attribute_object(value):
            attribute = read_attribute(value, path, findings)
            if attribute.conditions:
                read_condition(attribute.conditions, f"{path}.conditions", path_index, findings)
            value, path = value["value"], f"{path}.value"  # noqa: PLW2901  the value itself
        _check_property_value(name, value, path, path_index, findings)


def _is_only_attributes(value: Json) -> bool:
    return is_attribute_object(value) and value["value"] in (None, "")


def _check_property_value(
    name: str, value: Json, path: str, path_index: PathIndex, findings: Findings
) -> None:
    if name == MIGRATIONS_PATH:
        _check_migrations(value, path, path_index, findings)
    elif isinstance(value, str):
        _warn_of_pages(value, path, findings)
        for unknown in unknown_paths(value, path_index):
            detail = f"{{{unknown}}} names no path and stays text"
            findings.warn("unknown-path", path, detail)
        if name in PATH_LISTS and not BRACKET.search(value):
            for unknown in (part.strip() for part in value.split(",")):
                is_handle = name == EXPORT_PATHS and unknown == HANDLE_COLUMN
                if unknown and not is_handle and path_index.find(unknown) is None:
                    findings.warn("unknown-path", path, f"{unknown} names no path")


def _check_migrations(value: Json, path: str, path_index: PathIndex, findings: Findings) -> None:
    moves = read_migrations(value)
    if not moves and value not in ("", "{}", None, {}):
        findings.error("migrations", path, "an object of old path to new path is needed")
    for old in sorted(moves.keys() - follow_moves(moves).keys()):
        is_image = moves[old] in IMAGE_PATHS
        detail = "lead to an image, which takes over no values" if is_image else _CIRCLE
        findings.warn("migrations", path, f"the moves of {old} {detail}")
    for new in sorted(set(moves.values()) - moves.keys()):
        if path_index.find(new) is None:
            findings.warn("unknown-path", path, f"{new} names no path")


def _check_loops(
    nodes: list[Node], properties: dict[str, Any], path_index: PathIndex, findings: Findings
) -> None:
    texts: dict[str, Parts] = {}
    for path, leaf in path_index.given.items():
        if isinstance(leaf.default, str) and (parts := parse(leaf.default, path_index)):
            texts[path] = parts
    places = {"_".join(node.place.parts): node.place.json_path for node in nodes}
    places |= {name: "$.properties" + json_step(name) for name in properties}
    for path in find_loops(texts):
        detail = f"{{{path}}} leads back to itself and stays text"
        findings.warn("loop", places.get(path, path), detail)


def _texts(nodes: list[Node]) -> frozenset[str]:
    """All texts that a pass may show as the template has them, the choices for values too."""
    options = (
        option for n in nodes if is_list(n.attribute.options) for option in n.attribute.options
    )
    texts = (*options, *(node.default for node in nodes))
    return frozenset(text for text in texts if isinstance(text, str))


def _check_images(images: dict[str, str], findings: Findings) -> None:
    for name, digest in images.items():
        path = "$.images" + json_step(name)
        if split_language(name)[1] not in IMAGE_SLOTS:
            findings.error("image-name", path, f"Wallet knows no image {name!r}")
        if not IMAGE_DIGEST.fullmatch(digest):
            findings.error("image-hash", path, "64 lower-case hex digits of SHA-256 are needed")
    if ICON_SLOTS.isdisjoint(images):
        findings.warn("missing-icon", "$.images", "no icon: a plain one is supplied")
