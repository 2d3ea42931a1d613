"""Says in plain words why wallets show a pass as it is, or not yet; from what was seen of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from services.gateway.routes.v1.google_verdict import GoogleVerdict, judge_google
from services.gateway.routes.v1.moments import BUILD_TIME, last_of, written
from shared.contracts.notifier import ContentNotice, Holder, Observation, PassNotices
from shared.contracts.triggers import Pass

Code = Literal[
    "deleted", "not_downloaded", "no_devices", "nothing_new", "being_built", "current",
    "not_fetched", "not_asked", "waiting", "push_failed", "not_pushed", "no_push_channel",
    "not_saved", "refused",
]  # fmt: skip

_ANDROID: Final = {
    "wallet_passes": "Wallet Passes",
    "wallet_union": "WalletUnion",
    "pass2u": "Pass2U Wallet",
}


class DeviceVerdict(BaseModel):
    """How far the newest content has come to one device."""

    device: str = Field(description="The beginning of the digest of the device's id.")
    code: Code
    text: str


class Verdict(BaseModel):
    """Why the pass is, or is not yet, what wallets show."""

    code: Code = Field(
        description="The worst of the devices' and Google's, or what holds for all of them. "
        "`not_saved` and `refused` are about Google Wallet."
    )
    text: str
    devices: list[DeviceVerdict] = Field(
        default=[], description="Devices that registered with us, which Google's do not."
    )
    google: GoogleVerdict | None = Field(
        default=None, description="How it stands at Google Wallet; null: nobody wanted it there."
    )


_SEVERITY: Final[Sequence[Code]] = (
    "deleted", "not_downloaded", "no_devices", "current", "nothing_new", "not_saved",
    "no_push_channel", "being_built", "waiting", "not_asked", "not_fetched", "not_pushed",
    "push_failed", "refused",
)  # fmt: skip
"""From what says least to what is worst."""

DELETED: Final = Verdict(
    code="deleted",
    text="The pass has been deleted: devices that ask for it are refused, and at Google it is void"
    " if it was there.",
)

NOT_DOWNLOADED: Final = Verdict(
    code="not_downloaded",
    text="Nobody has downloaded the pass yet: it is composed and signed at its first download.",
)

NO_DEVICES: Final = Verdict(
    code="no_devices", text="No device holds the pass, so there is none to tell."
)


def judge(issued: Pass, notices: PassNotices, now: datetime) -> Verdict:
    """Follow the newest state of a pass into each wallet that holds it."""
    apple = _judge_devices(issued, notices, now)
    google = judge_google(issued, notices.google, notices.observations, now)
    if google is None:
        return apple
    said = f"Google Wallet: {google.text}"
    codes: tuple[Code, ...] = apple.code, google.code
    return Verdict(
        code=max(codes, key=_SEVERITY.index),
        text=said if apple in (NOT_DOWNLOADED, NO_DEVICES) else f"{apple.text} {said}",
        devices=apple.devices,
        google=google,
    )


def _judge_devices(issued: Pass, notices: PassNotices, now: datetime) -> Verdict:
    """Follow the newest content to each device that registered for the pass.

    A fetch does not say which device made it: where several hold the pass, one that asked what is
    new before a fetch of the newest content counts as having it.
    """
    newest = max(notices.contents, key=lambda c: c.content_number, default=None)
    if newest is None and notices.holders:
        # The note of the first fetch was lost; of a later content we would know.
        newest = ContentNotice(content_number=1, pass_version=issued.version, at=issued.created_at)
    if newest is None:
        return NOT_DOWNLOADED
    if newest.pass_version < issued.version and now - issued.updated_at < BUILD_TIME:
        return Verdict(
            code="being_built",
            text=f"Version {issued.version} is being composed at this moment.",
        )
    if not notices.holders:
        return NO_DEVICES
    devices = [_follow(holder, newest, notices) for holder in notices.holders]
    worst = max(devices, key=lambda each: _SEVERITY.index(each.code))
    same = sum(device.code == worst.code for device in devices)
    whom = "Its device" if len(devices) == 1 else f"{same} of {notices.holder_count} devices"
    silent = (
        f" What happened to the pass after version {newest.pass_version} changed nothing that is"
        " seen."
        if newest.pass_version < issued.version
        else ""
    )
    return Verdict(code=worst.code, text=f"{whom}: {worst.text}{silent}", devices=devices)


def _follow(holder: Holder, newest: ContentNotice, notices: PassNotices) -> DeviceVerdict:
    seen = [
        one
        for one in notices.observations
        if one.device in (None, holder.device)
        and (one.at >= newest.at or one.data.get("content_number") == newest.content_number)
    ]
    code, text = _deeds(holder, newest, seen, alone=len(notices.holders) == 1) or _news(
        holder, newest, seen, notices.unpushed_since
    )
    complaint = last_of(seen, "device_log")
    if complaint is not None and code != "current":
        text += f" A device complains: {complaint.data.get('class', 'other')}; see its log line."
    return DeviceVerdict(device=holder.device, code=code, text=text)


def _deeds(
    holder: Holder, newest: ContentNotice, seen: Sequence[Observation], *, alone: bool
) -> tuple[Code, str] | None:
    """Tell by what the device did: installed, asked, fetched."""
    listed = last_of(seen, "listed")
    fetched = last_of((one for one in seen if one.data.get("source") == "device"), "fetched")
    told = listed is not None and fetched is not None and fetched.at >= listed.at
    if fetched is not None and (told or alone):
        return "current", f"It fetched the newest content at {written(fetched.at)}."
    if listed is not None:
        return "not_fetched", (
            f"It asked what is new at {written(listed.at)} and was told, but the newest content has"
            " not been fetched since; Wallet tries again by itself."
        )
    if holder.registered_at >= newest.at and holder.push_due_at is None:
        return "current", f"It was installed after that, at {written(holder.registered_at)}."
    return None


def _news(
    holder: Holder, newest: ContentNotice, seen: Sequence[Observation], unpushed: int | None
) -> tuple[Code, str]:
    """Tell by what it was told: pushed, about to be, or not at all."""
    if holder.kind in _ANDROID:
        return "no_push_channel", (
            f"It is {_ANDROID[holder.kind]}, which is not told: it learns of news when it asks."
        )
    pushed, failed = last_of(seen, "pushed"), last_of(seen, "push_failed")
    reason = failed.data.get("reason") or "no reason given" if failed is not None else ""
    if holder.push_due_at is not None:
        return _push_to_come(holder.push_due_at, holder.push_tries, reason)
    if pushed is not None:
        return "not_asked", (
            f"Apple took the push at {written(pushed.at)}, but the device has not asked what is new"
            " since: it is off, without network, or has updates switched off for this pass."
        )
    if failed is not None:
        return "push_failed", f"It was not pushed: {reason}."
    if unpushed is not None:
        return "not_pushed", (
            "The newest content came from a change that asked for no push: push the pass to tell."
        )
    return "nothing_new", f"Nothing was seen of it since content {newest.content_number} was built."


def _push_to_come(due_at: datetime, tries: int, reason: str) -> tuple[Code, str]:
    if not tries:
        return "waiting", "Its push is on the way out."
    return "push_failed", (
        f"The push has failed {_times(tries)} ({reason}); the next attempt is at {written(due_at)}."
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
