"""Says to Google what is due, and hears how it is meant."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from services.notifier.google.clients.accounts import ServiceAccounts
from services.notifier.google.domain.documents import digests_of
from services.notifier.google.domain.notices import (
    LOUD,
    MAX_MESSAGES,
    NOTIFY_ON_UPDATE,
    SILENT,
    message_of,
)
from services.notifier.google.domain.sending import (
    LOCATIONS,
    Document,
    Due,
    Issuer,
    Meaning,
    Outcome,
    Verdict,
    read,
)
from shared.contracts.message import JsonObject
from shared.crashing import crash_point
from shared.google.accounts import ServiceAccount
from shared.google.api import GoogleAnswer, GoogleApi, GoogleAwayError
from shared.passes.google.linked import MAX_LINKED

TakeSlot = Callable[[str], Awaitable[None]]
"""Waits for a slot of a project."""

LINKED: Final = "linkedObjectIds"
LINK_TRIES: Final = 6
"""So often an object is linked, within a minute, that may have been heard of before the other."""


PAGE: Final = 100
"""Objects in one answer of a list."""

MAX_CALLS: Final = 5
"""About one document, until something is clear."""

_GOOGLES: Final = frozenset(
    {"kind", "version", "hasUsers", "hasLinkedDevice", "classReference", "review", "messages",
     LINKED}
)  # fmt: skip
"""Keys of an answer that no document of ours has, or that Google keeps whatever is sent."""


class GoogleSender:
    """Sends documents, each by the account of its issuer."""

    def __init__(self, api: GoogleApi, accounts: ServiceAccounts, take_slot: TakeSlot) -> None:
        self._api = api
        self._accounts = accounts
        self._take_slot = take_slot

    async def send(self, due: Due) -> Outcome:
        """Do the step that is due; the slot for its first call is taken."""
        account = await self._accounts.of(due.document.issuer)
        talk = _Talk(self._api, account, due.document, self._take_slot)
        try:
            match due.step:
                case "write":
                    return await _Writing(talk, due).outcome()
                case "tell":
                    return await _tell(talk, due)
                case "look":
                    return await talk.outcome(await talk.ask("GET", talk.path))
        except GoogleAwayError:
            return Outcome("later", reason="no answer", detail="Google did not answer.")

    async def list_page(
        self, issuer: Issuer, type_: str, class_id: str, token: str
    ) -> GoogleAnswer:
        """List objects of a class, from where the last answer ended; GoogleAwayError."""
        await self._take_slot(issuer.project_id)
        account = await self._accounts.of(issuer)
        path = f"{type_}Object?classId={class_id}&maxResults={PAGE}"
        return await self._api.ask(account, "GET", f"{path}&token={token}" if token else path)


_VERDICTS: Final[Mapping[Meaning, Verdict]] = {
    "done": "done",
    "invalid": "refused",
    "no_locations": "refused",
    "denied": "refused",
    "exists": "refused",
    "missing": "gone",
    "key_refused": "issuer_refused",
    "notices_spent": "later",
    "slow_down": "slow_down",
    "later": "later",
}


class _Talk:
    """Calls about one document; each after the first takes a slot of its own."""

    def __init__(
        self, api: GoogleApi, account: ServiceAccount, document: Document, take_slot: TakeSlot
    ) -> None:
        self._api = api
        self._account = account
        self._take_slot = take_slot
        self._project_id = document.issuer.project_id
        self.document = document
        self.path = f"{document.kind}/{document.document_id}"
        self.calls = 0
        self.method = ""
        self.seconds = 0.0

    async def ask(self, method: str, path: str, body: object = None) -> GoogleAnswer:
        if self.calls:
            await self._take_slot(self._project_id)
        self.calls += 1
        self.method = method
        clock = asyncio.get_running_loop().time
        begun = clock()
        answer = await self._api.ask(self._account, method, path, body)
        self.seconds += clock() - begun
        crash_point("google.sent")
        return answer

    async def outcome(self, answer: GoogleAnswer) -> Outcome:
        """Say what an answer comes to; who is denied one document may still have others."""
        body, meaning = answer.body, read(answer)
        outcome = Outcome(
            _VERDICTS[meaning],
            method=self.method,
            status=answer.status,
            reason=answer.reason,
            detail=answer.message,
            milliseconds=round(self.seconds * 1000),
            retry_after=answer.retry_after,
        )
        if meaning == "denied":
            return await self._denied(outcome)
        if meaning != "done":
            return outcome
        resource = body.get("resource", body)
        messages = len(resource.get("messages", ()))
        if self.document.is_class:
            review: JsonObject = resource.get("review") or {}
            words = str(review.get("comments") or "")
            status = resource.get("reviewStatus", "")
            return replace(outcome, review=status, detail=words, messages=messages)
        return replace(outcome, has_users=resource.get("hasUsers"), messages=messages)

    async def _denied(self, denied: Outcome) -> Outcome:
        answer = await self.ask("GET", f"issuer/{self.document.issuer.issuer_id}")
        match read(answer):
            case "done":
                return denied
            case "denied" | "missing":
                email = self.document.issuer.email
                invitation = (
                    f"Not yet invited: add {email} as a user in the Google Pay and Wallet console."
                )
                return replace(denied, verdict="issuer_refused", detail=invitation)
            case _:
                return replace(denied, verdict="later")


class _Writing:
    """Has a document there as it is wanted: inserted, patched, or replaced."""

    def __init__(self, talk: _Talk, due: Due) -> None:
        self._talk = talk
        self._document = talk.document
        self._whole = dict(talk.document.body)
        self._is_new = talk.document.sent is None
        self._is_known = not self._is_new
        """Whether what is there is what was sent."""
        self._body = self._whole if self._is_new else talk.document.patch
        if not self._is_new and due.notice.by == "update":
            self._body["notifyPreference"] = NOTIFY_ON_UPDATE
        self._was_missing = False
        self._refuses_locations = False
        self._notices_spent = False

    async def outcome(self) -> Outcome:
        """Ask until something is clear."""
        if not self._body:
            return Outcome("done", sent=digests_of(self._whole))
        answer = await self._ask()
        for _ in range(MAX_CALLS):
            if not self._gives_way(read(answer)):
                break
            answer = await self._ask()
        outcome = await self._talk.outcome(answer)
        if self._lacks_linked and read(answer) == "exists":
            return self._lacking(outcome, "An object that is linked to it is not at Google.")
        if outcome.verdict == "gone":
            return replace(outcome, verdict="class_missing")
        if outcome.verdict == "done":
            outcome = await self._settled(answer, outcome)
        return replace(
            outcome,
            refuses_locations=self._refuses_locations,
            notices_spent=self._notices_spent,
        )

    @property
    def _lacks_linked(self) -> bool:
        """Whether "missing" may have been said of what is linked: Google's answer is the same."""
        return self._was_missing and LINKED in self._whole

    async def _ask(self) -> GoogleAnswer:
        if self._is_new:
            return await self._talk.ask("POST", self._document.kind, self._body)
        return await self._talk.ask("PATCH", self._talk.path, self._body)

    def _gives_way(self, meaning: Meaning) -> bool:
        """Change what is asked, if that may help."""
        if meaning == "exists" and self._is_new and not self._lacks_linked:
            self._is_new, self._is_known = False, False
            self._body = dict(self._whole)
            if self._document.clears_messages:
                self._body["messages"] = []
        elif meaning == "missing" and not self._is_new:
            self._is_new, self._body, self._was_missing = True, self._whole, True
        elif meaning == "no_locations" and LOCATIONS in self._body:
            self._refuses_locations = True
            self._whole.pop(LOCATIONS, None)
            self._body.pop(LOCATIONS, None)
        elif meaning == "notices_spent" and "notifyPreference" in self._body:
            self._notices_spent = True
            del self._body["notifyPreference"]
        else:
            return False
        return True

    async def _settled(self, answer: GoogleAnswer, outcome: Outcome) -> Outcome:
        """See that nothing is left there that is not wanted any more; if so, replace all."""
        removed = {key for key, value in self._body.items() if value is None}
        unwanted = removed if self._is_known else answer.body.keys() - _GOOGLES
        if not self._is_new and unwanted & answer.body.keys() - self._whole.keys():
            messages = answer.body.get("messages")
            whole = self._whole | ({"messages": messages} if messages else {})
            answer = await self._talk.ask("PUT", self._talk.path, whole)
            outcome = await self._talk.outcome(answer)
        if LINKED in self._body and outcome.verdict == "done":
            outcome = await self._compared(outcome)
        is_notified = "notifyPreference" in self._body
        sent = digests_of(self._whole) if outcome.verdict == "done" else None
        return replace(outcome, sent=sent, notified=is_notified)

    async def _compared(self, outcome: Outcome) -> Outcome:
        """See that Google has linked all that it was given: what it drops it does not tell."""
        answer = await self._talk.ask("GET", self._talk.path)
        seen = await self._talk.outcome(answer)
        if seen.verdict != "done":
            return seen
        wanted: set[str] = set(self._whole.get(LINKED, ()))
        if lacking := wanted - set(answer.body.get(LINKED, ())):
            detail = f"Google did not link {len(lacking)} of {len(wanted)} objects."
            return self._lacking(seen, detail)
        return outcome

    def _lacking(self, outcome: Outcome, detail: str) -> Outcome:
        """Try again what links objects that are not there yet, for a while."""
        is_sound = len(self._whole.get(LINKED, ())) <= MAX_LINKED
        may_come = is_sound and self._document.tries < LINK_TRIES
        return replace(outcome, verdict="later" if may_come else "refused", detail=detail)


async def _tell(talk: _Talk, due: Due) -> Outcome:
    """Add the message that is due, once: what may have been sent before is looked for."""
    document, is_loud = talk.document, due.notice.by == "message"
    message = message_of(
        document.message_number, document.watched, document.telling, document.header
    )
    if "body" not in message:
        return Outcome("done", told=True)
    if document.tells or document.messages >= MAX_MESSAGES:
        answer = await talk.ask("GET", talk.path)
        there: list[dict[str, Any]] = answer.body.get("messages", [])
        if any(one.get("id") == message["id"] for one in there):
            return replace(await talk.outcome(answer), told=True, notified=is_loud)
        if len(there) >= MAX_MESSAGES:
            newest = there[1 - MAX_MESSAGES :]
            answer = await talk.ask("PATCH", talk.path, {"messages": newest})
        if not answer.is_done:
            return await talk.outcome(answer)
    answer = await _add_message(talk, message, LOUD if is_loud else SILENT)
    is_spent = is_loud and read(answer) == "notices_spent"
    if is_spent:
        answer = await _add_message(talk, message, SILENT)
    outcome = await talk.outcome(answer)
    is_told = outcome.verdict == "done"
    is_heard = is_told and is_loud and not is_spent
    return replace(outcome, told=is_told, notified=is_heard, notices_spent=is_spent)


async def _add_message(talk: _Talk, message: JsonObject, type_: str) -> GoogleAnswer:
    body = {"message": {**message, "messageType": type_}}
    return await talk.ask("POST", f"{talk.path}/addMessage", body)
