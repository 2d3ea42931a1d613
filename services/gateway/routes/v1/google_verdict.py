"""Says in plain words how a pass stands at Google Wallet, and whether its holder heard of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel

from services.gateway.routes.v1.moments import BUILD_TIME, last_of, written
from shared.contracts.notifier import GooglePassState, Observation
from shared.contracts.triggers import Pass

GoogleCode = Literal["current", "not_saved", "being_built", "waiting", "refused"]

_NOTICES: Final = ("google_notified", "google_silent")
_BY: Final = {"update": "by Google", "message": "by a message"}


class GoogleVerdict(BaseModel):
    """How far the pass is at Google Wallet."""

    code: GoogleCode
    text: str


def judge_google(
    issued: Pass, state: GooglePassState, seen: Sequence[Observation], now: datetime
) -> GoogleVerdict | None:
    """Follow the newest version to Google and to who has it there; None: nobody wanted it there."""
    wanted, sent = state.wanted_version, state.sent_version
    is_behind = wanted < issued.version
    if state.state is None:
        return None
    if state.state == "refused":
        return GoogleVerdict(code="refused", text=_with(f"Version {wanted} was refused", state))
    if is_behind and now - issued.updated_at < BUILD_TIME:
        text = f"Version {issued.version} is being composed at this moment."
        return GoogleVerdict(code="being_built", text=text)
    if state.state == "waiting":
        text = _with(f"Version {wanted} waits to be sent", state) + _attempt(seen, wanted)
        return GoogleVerdict(code="waiting", text=text)
    text = f"Version {sent} is there" + (f", sent at {written(state.sent_at)}" if sent else "")
    unseen = f" What happened after version {wanted} changed nothing that is seen there."
    rest = unseen if is_behind else ""
    if not state.saved:
        whom = "nobody has added it yet" if state.saved_at is None else "who had it has removed it"
        return GoogleVerdict(code="not_saved", text=f"{text}; {whom}.{rest}")
    return GoogleVerdict(code="current", text=f"{text}. {_notice(seen, sent)}{rest}")


def _with(text: str, state: GooglePassState) -> str:
    """End a sentence with why, in the words that are known."""
    why = state.detail.strip().removesuffix(".")
    return f"{text}: {why}." if why else f"{text}."


def _attempt(seen: Sequence[Observation], version: int) -> str:
    failed = last_of(seen, "google_failed")
    if failed is None or failed.data.get("version") != version:
        return ""
    why = failed.data.get("reason") or failed.data.get("status") or "no reason given"
    return f" The last attempt failed at {written(failed.at)} ({why}); it is tried again."


def _notice(seen: Sequence[Observation], version: int) -> str:
    notice = last_of([one for one in seen if one.data.get("version") == version], *_NOTICES)
    if notice is None:
        to_all = last_of([one for one in seen if "version" not in one.data], "google_notified")
        told = f" All holders got a message at {written(to_all.at)}." if to_all else ""
        return f"It had nothing to notify its holder of.{told}"
    if notice.kind == "google_silent":
        return f"Its holder was not notified: {notice.data.get('reason')}."
    by = _BY.get(str(notice.data.get("by")), "by Google")
    return f"Its holder was notified {by} at {written(notice.at)}."
