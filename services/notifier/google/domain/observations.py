"""What the timeline of a pass tells of its way to Google."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from services.notifier.feed.domain.observations import Seen
from services.notifier.google.domain.documents import Wanted
from services.notifier.google.domain.sending import Finished


def wanted(one: Wanted, at: datetime) -> Seen:
    """Note that an object is to be another one."""
    data = {"version": one.version}
    return Seen(one.account_id, str(one.handle), "google_wanted", at, None, data)


def seen_of(finished: Finished) -> Iterator[Seen]:
    """Note what came of a step for an object: sent, refused, to be tried again; told or not.

    Of a class it is only what all of its holders heard, under its id. Google's sentences
    may name values of the document, and timelines outlive these.
    """
    document, outcome, notice = finished.document, finished.outcome, finished.due.notice
    about, version = document.handle or document.document_id, document.wanted_version

    def seen(kind: str, **data: Any) -> Seen:  # noqa: ANN401 - as JSON
        facts = {"version": version, **data}
        facts = {name: value for name, value in facts.items() if value not in (None, "")}
        return Seen(document.account_id, about, kind, finished.at, None, facts)

    if document.is_class:
        if outcome.notified:
            yield seen("google_notified", version=None, by="class")
        elif finished.why_silent:
            yield seen("google_silent", version=None, reason=finished.why_silent)
        return
    answer = {"status": outcome.status, "reason": outcome.reason}
    if finished.is_written:
        taken = outcome.milliseconds
        yield seen("google_sent", method=outcome.method, status=outcome.status, milliseconds=taken)
    elif outcome.verdict == "refused":
        yield seen("google_refused", **answer)
    elif outcome.verdict in ("later", "class_missing", "issuer_refused"):
        yield seen("google_failed", **answer)
    if outcome.notified:
        yield seen("google_notified", by=notice.by)
    elif finished.why_silent:
        yield seen("google_silent", reason=finished.why_silent)
