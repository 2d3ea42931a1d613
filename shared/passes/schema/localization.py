"""Texts of a pass in other languages: what a template gives, checked, and the files made of it."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from shared.passes.schema.findings import Findings
from shared.passes.schema.skeleton import json_step

MAX_STRINGS_BYTES: Final = 64 * 1024
"""All strings of a template together, as their files hold them."""

MAX_LANGUAGES: Final = 40
FOLDER_SUFFIX: Final = ".lproj"

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_TRADITIONAL: Final = frozenset({"hant", "tw", "hk", "mo"})
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def is_language(tag: str) -> bool:
    """Whether a folder of a pass may be named so: `de`, `pt-BR`, `zh-Hans`."""
    return _LANGUAGE.fullmatch(tag) is not None


def primary_language(tag: str) -> str:
    """Return the language without region and script: `pt` of `pt-BR`."""
    return tag.replace("_", "-").partition("-")[0].casefold()


def split_language(name: str) -> tuple[str, str]:
    """Part the name of an image into its language, if it has one, and the rest."""
    folder, slash, rest = name.partition("/")
    language = folder.removesuffix(FOLDER_SUFFIX)
    return (language, rest) if slash and language not in {"", folder} else ("", name)


def choose_language(accepted: Iterable[str], available: Iterable[str]) -> str:
    """Return the language to show: the first of the accepted ones that there is, or "".

    Without one it is English where there is English, as on a phone.
    """
    known = {tag.replace("_", "-").casefold(): tag for tag in sorted(available, reverse=True)}
    for wanted in (*accepted, "en"):
        for tag in _widened(wanted.replace("_", "-").casefold()):
            if tag in known:
                return known[tag]
        primary = primary_language(wanted)
        regional = [tag for tag in known if tag.startswith(f"{primary}-")]
        if regional and primary != "zh":  # its scripts are not read by the same people
            return known[min(regional)]
    return ""


def _widened(tag: str) -> list[str]:
    """Give the tag, then what holds it: zh-TW, zh-Hant, zh; de-AT, de."""
    parts = tag.split("-")
    if parts[0] == "zh":
        is_traditional = not _TRADITIONAL.isdisjoint(parts)
        return [tag, "zh-hant" if is_traditional else "zh-hans", "zh"]
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def strings_files(localizations: Mapping[str, Mapping[str, str]]) -> dict[str, bytes]:
    """Write `<language>.lproj/pass.strings` for each language that has strings."""
    return {
        f"{language}{FOLDER_SUFFIX}/pass.strings": _write(strings)
        for language, strings in sorted(localizations.items())
        if strings and language
    }


def check_localizations(
    localizations: Mapping[str, Mapping[str, str]],
    images: Iterable[str],
    texts: frozenset[str],
    findings: Findings,
) -> None:
    """Find what keeps strings from being used; `texts` are those that the template has."""
    # An image without a language is that of all; a language of texts is never empty.
    languages = {*localizations, *({split_language(name)[0] for name in images} - {""})}
    _check_languages(languages, findings)
    for language, strings in localizations.items():
        path = "$.localizations" + json_step(language)
        for text in strings:
            if text not in texts:
                findings.warn("unknown-text", path + json_step(text), "no text of the template")
    if sum(map(len, strings_files(localizations).values())) > MAX_STRINGS_BYTES:
        detail = f"all strings together hold at most {MAX_STRINGS_BYTES // 1024} KiB"
        findings.error("localization", "$.localizations", detail)


def _check_languages(languages: set[str], findings: Findings) -> None:
    # Folders whose names differ in case only become one on a phone.
    folded: dict[str, str] = {}
    for language in sorted(languages):
        path = "$.localizations" + json_step(language)
        if not is_language(language):
            findings.error("language", path, "a language tag such as de or pt-BR is needed")
        if (other := folded.setdefault(language.casefold(), language)) != language:
            findings.error("language", path, f"the same language as {other}")
    if len(languages) > MAX_LANGUAGES:
        findings.error("language", "$.localizations", f"at most {MAX_LANGUAGES} languages")


def _write(strings: Mapping[str, str]) -> bytes:
    lines = [
        f'"{text.translate(_ESCAPES)}" = "{strings[text].translate(_ESCAPES)}";\n'
        for text in sorted(strings)
    ]
    return "".join(lines).encode()
