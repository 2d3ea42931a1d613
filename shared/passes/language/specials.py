"""The magic words that name no path: addresses, hashes, the time, and the colours of a scan."""

from datetime import UTC
from typing import Final
from urllib.parse import quote

from shared.passes.language.state import Environment, PassState

COLOURS: Final = {
    "PSColorGreen": "rgb(77,186,11)",
    "PSColorYellow": "rgb(187,187,58)",
    "PSColorRed": "rgb(187,49,58)",
}
SCANNER_CONFIG: Final = "PassScannerConfig"
SCANNER_CONFIG_URL: Final = "psScannerConfigURL"
SPECIAL_WORDS: Final = frozenset(
    {
        *COLOURS,
        "rootPath",
        "clientHash",
        "clientId",
        "templateHash",
        "hashedSerialNumber",
        "timestamp",
        "psPassURL",
        "psRegisterURL",
        "psEditorURL",
        "psScanURL",
        SCANNER_CONFIG_URL,
    }
)
PAGES_TO_COME: Final = frozenset({"psScanURL", SCANNER_CONFIG_URL})
"""Words whose addresses answer that their page is not available yet."""

PAGE_WORDS: Final = frozenset({"psButtons"})
"""What only a page replaces: known, and text everywhere else."""


def encode_url(text: str) -> str:
    return quote(text, safe="", errors="replace")


def special_text(
    word: str,
    state: PassState,
    environment: Environment,
    *,
    edit_code: str,
    is_of_pass: bool = True,
) -> str | None:
    """Return what a special word stands for, or None where it is not known.

    `is_of_pass` is False where an editor's address must not lead to this one pass.
    """
    if word in _ADDRESSES:
        return _address(word, state, environment, edit_code, is_of_pass=is_of_pass)
    plain = {
        **COLOURS,
        "hashedSerialNumber": state.handle,
        "rootPath": environment.root_url,
        "clientId": environment.client_id,
        "templateHash": environment.template_hash,
    }
    if word in plain:
        return plain[word]
    if word == "timestamp":
        return state.changed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _client_hash(environment)


def _address(
    word: str, state: PassState, environment: Environment, edit_code: str, *, is_of_pass: bool
) -> str | None:
    page, has_right, has_pass = _ADDRESSES[word]
    parameters: list[str] = []
    if has_right:
        right = _right(environment, edit_code)
        if right is None:
            return None
        parameters.append(right)
    if has_pass and (is_of_pass or word != "psEditorURL"):
        parameters.append(f"hashedSerialNumber={encode_url(state.handle)}")
    if environment.root_url is None:
        return None
    return f"{environment.root_url}/pass/{page}.php?{'&'.join(parameters)}"


# The page, whether its address carries a right to edit, and whether it names the pass.
_ADDRESSES: Final = {
    "psPassURL": ("create", False, True),
    "psRegisterURL": ("register", False, True),
    "psEditorURL": ("editor", True, True),
    "psScanURL": ("scan", True, False),
    SCANNER_CONFIG_URL: ("scan", True, False),
}


def _client_hash(environment: Environment) -> str | None:
    given = environment.client_hash
    return given() if callable(given) else given


def _right(environment: Environment, edit_code: str) -> str | None:
    """Return the code of this one template where there is one, else the hash of the account."""
    if not edit_code:
        client_hash = _client_hash(environment)
        return None if client_hash is None else f"clientHash={client_hash}"
    if environment.template_id is None:
        return None
    return f"templateId={encode_url(environment.template_id)}&psEditCode={encode_url(edit_code)}"
