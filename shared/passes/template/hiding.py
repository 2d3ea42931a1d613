"""What a pass leaves out because its condition does not hold."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.passes.language.conditions import (
    Condition,
    Reader,
    never,
    read_condition,
)
from shared.passes.language.paths import Leaf, Location, PathIndex
from shared.passes.schema.findings import Findings
from shared.passes.schema.skeleton import Conditional
from shared.passes.schema.values import is_list, is_object
from shared.passes.template.assembly import Assembly

_BARCODE_DEPTH = 2


@dataclass(frozen=True, slots=True)
class Hiding:
    """A part of the pass and the condition on which it is shown."""

    condition: Condition
    location: Location
    # Set for a field as a whole, which is found by its key wherever it stands.
    field_key: str | None
    leaf: Leaf | None


def compile_hidings(conditionals: Iterable[Conditional], path_index: PathIndex) -> list[Hiding]:
    """Compile the conditions of the skeleton; a part whose condition cannot be read is hidden."""
    hidings: list[Hiding] = []
    for conditional in conditionals:
        condition = read_condition(conditional.text, "", path_index, Findings()) or never()
        place = conditional.place
        is_field = place.field_key is not None and isinstance(place.location[-1], int)
        leaf = None if is_field else path_index.find("_".join(place.parts))
        hidings.append(
            Hiding(condition, place.location, place.field_key if is_field else None, leaf)
        )
    return hidings


def hide(assembly: Assembly, hidings: list[Hiding], reader: Reader) -> bool:
    """Take out what must not be shown; True if that leaves the pass without a barcode."""
    hidden = [hiding for hiding in hidings if not hiding.condition.holds(reader)]
    barcodes: set[int] = set()
    for hiding in hidden:
        location = hiding.location
        if hiding.field_key is not None:
            _hide_field(assembly, location[:-1], hiding.field_key)
        elif location[0] == "barcodes" and len(location) == _BARCODE_DEPTH:
            barcodes.update(step for step in location[1:] if isinstance(step, int))
        else:
            _hide_value(assembly, hiding)
            if location == ("barcode",) and hiding.leaf is not None:
                twins = [step for twin in hiding.leaf.twins for step in twin[1:2]]
                barcodes.update(step for step in twins if isinstance(step, int))
    entries = assembly.document.get("barcodes")
    if barcodes and is_list(entries):
        kept = [entry for index, entry in enumerate(entries) if index not in barcodes]
        assembly.put(("barcodes",), kept)
    is_about_barcode = any(hiding.location[0] in {"barcode", "barcodes"} for hiding in hidden)
    return is_about_barcode and not (
        assembly.document.get("barcode") or assembly.document.get("barcodes")
    )


def _hide_field(assembly: Assembly, group: Location, key: str) -> None:
    fields = assembly.at(group)
    if is_list(fields):
        kept = [entry for entry in fields if not (is_object(entry) and entry.get("key") == key)]
        assembly.put(group, kept)


def _hide_value(assembly: Assembly, hiding: Hiding) -> None:
    leaf = hiding.leaf
    location = hiding.location if leaf is None else assembly.locate(leaf)
    if assembly.has_at(location):
        assembly.put(location, None)
        assembly.has_gaps = True
