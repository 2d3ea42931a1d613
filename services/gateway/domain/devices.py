"""What devices say of themselves: names that are kept as hashes, log lines put into classes."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from shared.contracts.notifier import DeviceLogLine

MAX_LINE_CHARACTERS: Final = 1000
MAX_LINES: Final = 50
LINES_PER_MINUTE: Final = 300
MAX_ADDRESSES: Final = 10_000
MINUTE: Final = 60.0

# What phones log; the first that is found counts, so tasks come after what they report.
_CLASSES: Final = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("pass_unchanged", r"\bbut the pass was unchanged"),
        ("condition_ignored", r"\bignored the .?if-modified-since.? header"),
        ("unregister_failed", r"\bunregister task\b"),
        ("register_failed", r"\bregister task\b"),
        ("list_failed", r"\bget serial ?#?s task\b"),
        ("pass_invalid", r"\breceived invalid pass data\b"),
        ("pass_malformed", r"\bserver response was malformed\b"),
        ("fetch_failed", r"\bget pass task\b"),
    )
)
OTHER: Final = "other"

_DEVICE = re.compile(r"\bdevice ([A-Za-z0-9-]{16,128})\b")
_PASS_TYPE = re.compile(r"\b(?:pass type|for) (pass\.[A-Za-z0-9._-]{1,150})")
_SERIAL = re.compile(r"\bserial number '?([^\s',;()]{1,128})")
_LONG_HEX = re.compile(r"\b[0-9A-Fa-f]{32,}\b")


def hash_device(device_id: str) -> str:
    """Name a device inside Passwright: its id is its only secret, and is not kept."""
    return sha256(device_id.encode()).hexdigest()


def read_log_line(text: str, at: datetime) -> DeviceLogLine:
    """Class a line, and find which pass and device it is about; ids of devices are hashed."""
    text = "".join(
        letter if letter.isprintable() else " " for letter in text[: 2 * MAX_LINE_CHARACTERS]
    )
    device = _DEVICE.search(text)
    pass_type = _PASS_TYPE.search(text)
    serial = _SERIAL.search(text)
    serial_number = serial[1] if serial else None
    if device:
        text = text.replace(device[1], _short(device[1]))
    # Whatever else may be a device id or a token, too.
    text = _LONG_HEX.sub(lambda m: m[0] if m[0] == serial_number else _short(m[0]), text)
    return DeviceLogLine(
        line=text[:MAX_LINE_CHARACTERS],
        kind=next((kind for kind, pattern in _CLASSES if pattern.search(text)), OTHER),
        pass_type_identifier=pass_type[1].rstrip(".") if pass_type else None,
        serial_number=serial_number,
        device=hash_device(device[1]) if device else None,
        at=at,
    )


def _short(device_id: str) -> str:
    return hash_device(device_id)[:8]


@dataclass(slots=True)
class LineBudget:
    """How many log lines an address may send in a minute; the rest is dropped."""

    _since: float = 0.0
    _used: dict[str, int] = field(default_factory=dict[str, int])

    def take(self, address: str, wanted: int, now: float) -> int:
        """Grant as many lines as the address has left; `now` in seconds."""
        if now - self._since >= MINUTE:
            self._since, self._used = now, {}
        if address not in self._used and len(self._used) >= MAX_ADDRESSES:
            return 0
        used = self._used.get(address, 0)
        granted = min(wanted, LINES_PER_MINUTE - used)
        self._used[address] = used + granted
        return granted
