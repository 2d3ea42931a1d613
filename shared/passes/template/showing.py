"""Whether Wallet would show a pass with these values."""

from collections.abc import Mapping
from typing import Any

from shared.errors import InvalidError
from shared.passes.language.state import PassState
from shared.passes.template.compiled import CompiledTemplate


def check_shown(state: PassState, values: Mapping[str, Any], compiled: CompiledTemplate) -> None:
    """Refuse values with which Wallet would refuse the pass; InvalidError names each path."""
    unfit = compiled.unfit_values(state)
    if not unfit:
        return
    paths = {leaf.path if (leaf := compiled.find(path)) else path for path in values}
    errors = [
        {"pointer": path, "detail": detail}
        for path, detail in unfit.items()
        if any(path == given or _is_beside(path, given) for given in paths)
    ]
    if errors:
        raise InvalidError("These values cannot be shown.", errors=errors)


def _is_beside(path: str, given: str) -> bool:
    """Whether a value's field, or what holds it, is what was given."""
    field = path.removesuffix("_value")
    return given.rpartition("_")[0] == field or field == given or field.startswith(f"{given}_")
