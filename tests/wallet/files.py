"""The .pkpass as a phone takes it: layout and hashes checked, the signature verified."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

PASS_MEDIA = "application/vnd.apple.pkpass"
STYLES = ("boardingPass", "coupon", "eventTicket", "generic", "storeCard", "posterGeneric")
OUTSIDE_THE_MANIFEST = ("manifest.json", "signature")


class InvalidPassError(Exception):
    """A phone would not show this pass."""


@dataclass(frozen=True)
class PassFile:
    """A file whose layout and hashes are right; its signature is another question."""

    data: bytes
    entries: dict[str, bytes]

    @cached_property
    def content(self) -> dict[str, Any]:
        return json.loads(self.entries["pass.json"])

    @property
    def name(self) -> tuple[str, str]:
        """Pass type and serial number: a file of the same name replaces this one."""
        return self.content["passTypeIdentifier"], self.content["serialNumber"]


def open_pass(data: bytes) -> PassFile:
    """Check what Apple asks of the container."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            _demand(archive.testzip() is None, "a file in it is damaged")
            entries = {name: archive.read(name) for name in names}
    except zipfile.BadZipFile as error:
        raise InvalidPassError("not a ZIP") from error
    _demand(len(entries) == len(names), "a name is there twice")
    for name in names:
        folder, _, _ = name.rpartition("/")
        _demand(not name.endswith("/"), f"{name} is a folder")
        _demand(not folder or folder.endswith(".lproj"), f"{name} lies in a folder")
    for needed in ("pass.json", *OUTSIDE_THE_MANIFEST):
        _demand(needed in entries, f"no {needed}")
    _demand("icon.png" in entries or "icon@2x.png" in entries, "no icon")
    _check_manifest(entries)
    _check_content(entries["pass.json"])
    return PassFile(data, entries)


def _check_manifest(entries: dict[str, bytes]) -> None:
    hashes = {
        name: hashlib.sha1(entry, usedforsecurity=False).hexdigest()
        for name, entry in entries.items()
        if name not in OUTSIDE_THE_MANIFEST
    }
    _demand(_read(entries["manifest.json"]) == hashes, "the manifest tells other hashes")


def _check_content(pass_json: bytes) -> None:
    content = _read(pass_json)
    _demand(isinstance(content, dict), "pass.json is no object")
    for key in ("passTypeIdentifier", "serialNumber", "teamIdentifier", "description"):
        _demand(isinstance(content.get(key), str) and content[key], f"no {key}")
    _demand(content.get("formatVersion") == 1, "another formatVersion")
    _demand(
        ("webServiceURL" in content) == ("authenticationToken" in content),
        "a web service needs both an address and a token",
    )
    if "webServiceURL" in content:
        _demand(len(content["authenticationToken"]) >= 16, "the token is too short")
    _demand(None not in content.values(), "a null value")
    for style in STYLES:
        for group, fields in content.get(style, {}).items():
            entries: list[Any] = cast("list[Any]", fields) if isinstance(fields, list) else []
            for field in entries:
                _check_field(field, f"{group} {field.get('key')}")
    for key in ("expirationDate", "relevantDate"):
        _demand(key not in content or _is_date(content[key]), f"{key} is no date")
    for key in ("backgroundColor", "foregroundColor", "labelColor"):
        colour = content.get(key, "rgb(0, 0, 0)")
        _demand(re.fullmatch(r"rgb\(\d+, ?\d+, ?\d+\)", colour), f"{key} is no colour")


def _check_field(field: dict[str, Any], name: str) -> None:
    """Wallet refuses a pass with a field that its style does not fit, or that has no value."""
    value = field.get("value")
    _demand(isinstance(field.get("key"), str), f"{name} has no key")
    has_value = isinstance(value, str | int | float) and not isinstance(value, bool)
    _demand(has_value, f"{name} has no value")
    if "currencyCode" in field or "numberStyle" in field:
        _demand(isinstance(value, int | float), f"{name} is no number")
    if "dateStyle" in field or "timeStyle" in field:
        _demand(_is_date(value), f"{name} is no date")


def _is_date(value: object) -> bool:
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)"
    return isinstance(value, str) and re.fullmatch(form, value) is not None


def _read(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8"))  # a byte order mark is refused here
    except ValueError as error:
        raise InvalidPassError("not JSON") from error


def _demand(is_so: object, otherwise: str) -> None:
    if not is_so:
        raise InvalidPassError(otherwise)


def verify_signature(entries: dict[str, bytes], root: Path) -> None:
    """Let OpenSSL verify the signature over the manifest, up to this root."""
    if shutil.which("openssl") is None:
        raise RuntimeError("openssl is needed: apt-get install openssl")
    with tempfile.TemporaryDirectory(prefix="passwright-wallet-") as name:
        folder = Path(name)
        for part in OUTSIDE_THE_MANIFEST:
            (folder / part).write_bytes(entries[part])
        verified = subprocess.run(
            ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature",
             "-content", "manifest.json", "-CAfile", str(root.resolve()), "-purpose", "any",
             "-out", "verified"],
            cwd=folder, capture_output=True, check=False,
        )  # fmt: skip
        _demand(verified.returncode == 0, verified.stderr.decode(errors="replace").strip())
