"""Texts that lead back to themselves: on a pass their brackets stay as they are."""

from collections.abc import Mapping

from shared.passes.language.magic import Parts, references_of
from shared.passes.language.paths import DESCRIPTION_PATH, PASS_DESCRIPTION_PATH
from shared.passes.language.state import PassState
from shared.passes.schema.values import Json, is_list, is_object


def has_brackets(state: PassState) -> bool:
    """Tell whether the pass has a value of its own in which a bracket may stand for something."""
    return any(
        _has_bracket(value) and state.may_expand(path) for path, value in state.values.items()
    )


def _has_bracket(value: Json) -> bool:
    if isinstance(value, str):
        return "{" in value
    if is_list(value):
        return any(map(_has_bracket, value))
    return is_object(value) and any(map(_has_bracket, value.values()))


def find_loops(texts: Mapping[str, Parts]) -> tuple[str, ...]:
    """Return the paths of texts that form loops, or lie between two of them."""
    leads_to = {
        path: {reference.name for reference in references_of(parts)} & texts.keys()
        for path, parts in texts.items()
    }
    if PASS_DESCRIPTION_PATH not in texts and DESCRIPTION_PATH in texts:
        for path, parts in texts.items():
            if any(reference.name == PASS_DESCRIPTION_PATH for reference in references_of(parts)):
                leads_to[path].add(DESCRIPTION_PATH)
    # A text in a loop both leads to a text in a loop and is led to by one.
    kept = _trimmed(_trimmed(leads_to), is_reversed=True)
    return tuple(path for path in texts if path in kept)


def _trimmed(leads_to: Mapping[str, set[str]], *, is_reversed: bool = False) -> dict[str, set[str]]:
    """Take away, again and again, the texts that lead nowhere, or that none leads to."""
    outward = {path: set(targets) & leads_to.keys() for path, targets in leads_to.items()}
    inward: dict[str, set[str]] = {path: set() for path in leads_to}
    for path, targets in outward.items():
        for target in targets:
            inward[target].add(path)
    if is_reversed:
        outward, inward = inward, outward
    ends = [path for path, targets in outward.items() if not targets]
    while ends:
        end = ends.pop()
        for path in inward[end]:
            outward[path].discard(end)
            if not outward[path]:
                ends.append(path)
        del outward[end]
    return {path: set(leads_to[path]) & outward.keys() for path in outward}
