"""The rules of devices: what is new to them, what they were told, what they did of their own."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from shared.contracts.generator import BuiltContent
from shared.contracts.notifier import DeviceLogLine, NoteFetch, RegisterDevice
from shared.errors import GoneError, InvalidError
from shared.sealing import MasterKeys, UnknownKeyError

MAX_LINE_CHARACTERS: Final = 1_000
MAX_LINES: Final = 50
MAX_PUSH_TOKEN_CHARACTERS: Final = 4_096

MAX_NAME_CHARACTERS: Final = 200
"""Characters of a pass type identifier or serial number that a line may name."""

PUSH_TOKEN_PURPOSE: Final = "push token"  # noqa: S105 - what is sealed, not a secret
SEALED: Final = "sealed."
"""What a sealed push token begins with."""

MAX_TAG: Final = 2**63 - 1
_MAX_DIGITS: Final = len(str(MAX_TAG))

Registration = tuple[str, str]
"""A device and the handle of a pass."""


class PassGoneError(GoneError):
    """The pass has been deleted."""

    code = "pass_gone"


@dataclass(frozen=True, slots=True)
class News:
    """What new contents say of a pass: its newest bytes, whose changes they hold, what is asked."""

    handle: str
    account_id: UUID
    template_id: UUID
    pass_type_identifier: str
    serial_number: str
    content_number: int
    pass_version: int
    since_version: int
    push_version: int


@dataclass(frozen=True, slots=True)
class KnownPass:
    """A pass as it is when a device registers for it; its row is locked."""

    content_number: int
    first_downloaded: int
    is_deleted: bool

    @property
    def has_older_copies(self) -> bool:
        """Tell whether a device that comes now may hold older bytes than the newest."""
        return self.content_number > max(self.first_downloaded, 1)


@dataclass(frozen=True, slots=True)
class Copies:
    """What is known of a pass's copies before a fetch; its row is locked."""

    content_number: int
    downloaded: int
    first_downloaded: int

    def were_taken_for_newest(self, number: int) -> bool:
        """Tell whether a copy of this number shows that devices were trusted to hold the newest."""
        return number < self.content_number <= self.first_downloaded


@dataclass(frozen=True, slots=True)
class Tally:
    """A pass after registrations or removals: their number, and how many devices hold it."""

    account_id: UUID
    number: int
    devices: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A pass that a list names."""

    account_id: UUID
    handle: str
    serial_number: str
    tag: int
    cursor: int | None
    """What was new is above it; None: everything is listed."""


@dataclass(frozen=True, slots=True)
class NamedPass:
    """A known pass that a device's line names."""

    pass_type_identifier: str
    account_id: UUID
    handle: str
    version: int
    """Of the newest bytes that left for devices."""


def fold_news(contents: Iterable[BuiltContent]) -> list[News]:
    """Take together what contents say of each pass; a first content is nobody's news."""
    folded: dict[str, News] = {}
    for content in contents:
        if content.content_number <= 1:
            continue
        news = _news(content)
        known = folded.get(news.handle)
        if known is not None:
            newer, older = (
                (news, known) if news.content_number > known.content_number else (known, news)
            )
            news = replace(
                newer,
                since_version=min(newer.since_version, older.since_version),
                push_version=max(newer.push_version, older.push_version),
            )
        folded[news.handle] = news
    return [folded[handle] for handle in sorted(folded)]


def _news(content: BuiltContent) -> News:
    return News(
        handle=content.handle,
        account_id=content.account_id,
        template_id=content.template_id,
        pass_type_identifier=content.pass_type_identifier,
        serial_number=content.serial_number,
        content_number=content.content_number,
        pass_version=content.pass_version,
        since_version=content.since_version or content.pass_version,
        push_version=content.push_version,
    )


def is_first_content(note: NoteFetch, copies: Copies | None) -> bool:
    """Tell whether a fetch is the first that is known of a pass's first content."""
    is_known = copies is not None and copies.first_downloaded == 1
    return note.content_number == 1 and not is_known


def check_push_token(command: RegisterDevice) -> InvalidError | None:
    """Refuse a push token that cannot be one."""
    token = command.push_token
    if not token or len(token) > MAX_PUSH_TOKEN_CHARACTERS or "\0" in token:
        return InvalidError(
            f"A push token is a text of 1 to {MAX_PUSH_TOKEN_CHARACTERS} characters."
        )
    return None


def seal_push_token(keys: MasterKeys, device: str, push_token: str) -> str:
    """Seal a push token for its device: the same one the same way, so that two can be compared."""
    token = keys.mint(push_token.encode(), purpose=PUSH_TOKEN_PURPOSE, owner=device)
    return f"{SEALED}{token}"


def open_push_token(keys: MasterKeys, device: str, kept: str) -> str:
    """Give a push token as the device named it; those of before are kept unsealed."""
    if not kept.startswith(SEALED):
        return kept
    sealed = kept.removeprefix(SEALED)
    opened = keys.read_token(sealed, purpose=PUSH_TOKEN_PURPOSE, owner=device)
    if opened is None:
        raise UnknownKeyError
    return opened.decode()


def is_same_push_token(keys: MasterKeys, device: str, one: str, other: str) -> bool:
    """Compare two kept push tokens, which may be sealed by different master keys, or unsealed."""
    try:
        return one == other or (
            open_push_token(keys, device, one) == open_push_token(keys, device, other)
        )
    except UnknownKeyError:
        return False


def parse_cursor(since: str | None) -> int | None:
    """Read a tag as a device gives it back; what cannot be one counts as absent."""
    if since is None or not (since.isascii() and since.isdigit()) or len(since) > _MAX_DIGITS:
        return None
    tag = int(since)
    return tag if tag <= MAX_TAG else None


def manual_updates(
    notes: Sequence[NoteFetch], told: Mapping[str, int], copies: Mapping[str, Copies]
) -> list[NoteFetch]:
    """Find the fetches that devices made of their own accord.

    `told` says how many devices of a pass were awaited. Bytes that were served before are no
    sign of a will: an answer was lost, or another device takes its turn.
    """
    waiting, newest = Counter(told), {handle: one.downloaded for handle, one in copies.items()}
    found: list[NoteFetch] = []
    for note in sorted(notes, key=lambda note: note.at):
        before = newest.get(note.handle, 0)
        newest[note.handle] = max(before, note.content_number)
        if note.source != "device":
            continue
        if waiting[note.handle] > 0:
            waiting[note.handle] -= 1
        elif note.status == 304 or note.content_number > before:  # noqa: PLR2004 - HTTP
            found.append(note)
    return found


def readable_lines(lines: Iterable[DeviceLogLine]) -> list[DeviceLogLine]:
    """Keep the lines that name a pass at all, each as far as it is kept."""
    return [
        line.model_copy(update={"line": line.line.replace("\0", "")[:MAX_LINE_CHARACTERS]})
        for line in lines
        if _can_be_name(line.serial_number)
    ]


def _can_be_name(text: str | None) -> bool:
    return text is not None and 0 < len(text) <= MAX_NAME_CHARACTERS and "\0" not in text
