"""Conditional requests of RFC 9110: whether the client has what it asks for already."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiohttp import ETag, hdrs, web


def has_tag(request: web.Request, tag: ETag) -> bool | None:
    """Whether If-None-Match names this tag, weak or strong, or any; None without that header."""
    known = request.if_none_match
    if known is None:
        return None
    return any(one.value in {tag.value, "*"} for one in known)


def modified_since(request: web.Request) -> datetime | None:
    """Read If-Modified-Since with the offset it names; what is no date is ignored."""
    text = request.headers.get(hdrs.IF_MODIFIED_SINCE)
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
