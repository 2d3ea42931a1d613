"""What partners are told, for machines: the AsyncAPI 3.0 document, made from the event models."""

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from shared.contracts.partners import EVENTS, MAX_BODY_BYTES, RETRY_JITTER, RETRY_SECONDS, TEST

SCHEMAS: Final = "#/components/schemas/"

_DESCRIPTION: Final = """What happens is told in two ways, in the same words.

Push: each event is posted to the webhook endpoints that want it (`POST /v1/webhooks`), signed as
Standard Webhooks says. Answer with a status of 200 to 299 within 15 seconds. An event may come
twice, and before an earlier one: `id` tells twins, `sequence` the order.

Pull: `GET /v1/events?after=…` gives every event of the account once, in the order of `sequence`,
for 30 days."""


def asyncapi_document(version: str) -> dict[str, Any]:
    """Write the whole document."""
    _, schemas = models_json_schema(
        [(event, "validation") for event in EVENTS.values()], ref_template=SCHEMAS + "{model}"
    )
    told = [kind for kind in EVENTS if kind != TEST]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Passwright events", "version": version, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {
            "webhooks": {
                "address": None,
                "title": "Your webhook endpoint",
                "description": f"A POST to the address you gave. {_retries()}",
                "messages": {kind: {"$ref": _message(kind)} for kind in EVENTS},
                "bindings": {"http": {}},
            },
            "feed": {
                "address": "/v1/events",
                "title": "The event feed",
                "description": "A page of events, oldest first; ask on with `next_cursor`.",
                "messages": {kind: {"$ref": _message(kind)} for kind in told},
                "bindings": {"http": {}},
            },
        },
        "operations": {
            "postEvent": {
                "action": "send",
                "channel": {"$ref": "#/channels/webhooks"},
                "summary": "An event is posted to a webhook endpoint.",
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
                "messages": [{"$ref": f"#/channels/webhooks/messages/{kind}"} for kind in EVENTS],
            },
            "listEvents": {
                "action": "send",
                "channel": {"$ref": "#/channels/feed"},
                "summary": "Events are read from the feed.",
                "bindings": {"http": {"method": "GET", "bindingVersion": "0.3.0"}},
                "messages": [{"$ref": f"#/channels/feed/messages/{kind}"} for kind in told],
            },
        },
        "components": {
            "messages": {
                kind: {
                    "name": kind,
                    "title": event.__name__,
                    "summary": event.__doc__,
                    "contentType": "application/json",
                    "headers": {"$ref": f"{SCHEMAS}SignatureHeaders"},
                    "payload": {"$ref": SCHEMAS + event.__name__},
                }
                for kind, event in EVENTS.items()
            },
            "schemas": schemas.get("$defs", {}) | {"SignatureHeaders": _headers()},
        },
        "x-retry-schedule": {
            "seconds": list(RETRY_SECONDS),
            "jitter": RETRY_JITTER,
            "description": _retries(),
        },
    }


def _message(kind: str) -> str:
    return f"#/components/messages/{kind}"


def _headers() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Sent with webhooks. The signed text is `{webhook-id}.{webhook-timestamp}.` "
        "and the body as it came.",
        "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
        "properties": {
            "webhook-id": {
                "type": "string",
                "description": "The event's `id`, the same for every attempt and replay.",
            },
            "webhook-timestamp": {
                "type": "string",
                "pattern": "^[0-9]+$",
                "description": "When this attempt was made, in seconds since 1970.",
            },
            "webhook-signature": {
                "type": "string",
                "description": "`v1,` and the base64 of HMAC-SHA256 under the endpoint's secret; "
                "one for each secret, parted by spaces, while secrets are being rotated.",
            },
        },
    }


def _retries() -> str:
    pauses = ", ".join(f"{seconds} s" for seconds in RETRY_SECONDS)
    return (
        f"A body has at most {MAX_BODY_BYTES} bytes. What is not answered with 200 to 299 is tried "
        f"again after {pauses}, each up to {RETRY_JITTER:.0%} shorter or longer; Retry-After is "
        "honoured up to twice that. What failed ten times is told as delivery.exhausted. 410, "
        "`webhook-delivery: disable` or five days of failures disable the endpoint, which is told "
        "as endpoint.disabled."
    )
