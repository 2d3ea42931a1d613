"""The validators that a template may name for a value that users type, parted by commas.

What each asks for is the gateway's to check, where forms are read.
"""

from typing import Final

from shared.passes.schema.values import Json, is_list

REQUIRED: Final = "VRequired"
VALIDATOR_NAMES: Final = (
    REQUIRED,
    "VEmail",
    "VDate",
    "VPhone",
    "VNumeric",
    "VAlpha",
    "VAlphaNumeric",
    "VDecimal",
    "VInteger",
    "VStateCode",
    "VZip",
    "VTrue",
    "VFalse",
)


def read_validators(validation: Json) -> tuple[str, ...]:
    """Read the names in a template's `validation`, a text parted by commas or a list of texts."""
    if isinstance(validation, str):
        validation = validation.split(",")
    if not is_list(validation):
        return ()
    names = (name.strip() for name in validation if isinstance(name, str))
    return tuple(name for name in names if name)


def unknown_validators(validation: Json) -> list[str]:
    """Return the names that no validator has; a `validation` of another kind counts as one."""
    if validation is not None and not isinstance(validation, str) and not is_list(validation):
        return [repr(validation)]
    return [name for name in read_validators(validation) if name not in VALIDATOR_NAMES]
