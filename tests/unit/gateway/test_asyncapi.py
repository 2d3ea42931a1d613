"""The document of what is told, for machines."""

from collections.abc import Iterator
from typing import Any, cast

import orjson

from services.gateway.routes.v1.asyncapi import asyncapi_document
from shared.contracts.partners import EVENTS, RETRY_SECONDS

DOCUMENT = asyncapi_document("1.2")

ISSUE = [
    *(
        f"pass.{happened}" for happened in (
            "created", "updated", "installed", "removed", "fetched", "scanned", "checked",
            "registered", "edited", "voided", "expired", "deleted",
        )
    ),
    "member.created", "member.updated", "member.deleted",
    "member.enrolled", "member.enrolment_conflict", "points.changed", "push.failed",
    "identity.expiring", "template.updated",
]  # fmt: skip


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        entries = cast("dict[str, Any]", part)
        if isinstance(entries.get("$ref"), str):
            yield entries["$ref"]
        for value in entries.values():
            yield from references(value)
    if isinstance(part, list):
        for value in cast("list[Any]", part):
            yield from references(value)


def test_document_is_plain_json():
    assert orjson.loads(orjson.dumps(DOCUMENT)) == DOCUMENT


def test_every_reference_leads_somewhere():
    found = set(references(DOCUMENT))

    assert found
    for reference in found:
        part: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_every_event_is_described_with_all_its_fields():
    messages = DOCUMENT["components"]["messages"]

    assert messages.keys() == EVENTS.keys() >= set(ISSUE)
    for kind, message in messages.items():
        name = message["payload"]["$ref"].rpartition("/")[2]
        schema = DOCUMENT["components"]["schemas"][name]
        assert schema["properties"]["type"]["const"] == kind
        assert {"id", "sequence", "timestamp", "account", "subject", "cause", "data"} <= set(
            schema["required"]
        )


def test_signature_and_retries_are_told():
    headers = DOCUMENT["components"]["schemas"]["SignatureHeaders"]

    assert set(headers["required"]) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert DOCUMENT["x-retry-schedule"]["seconds"] == list(RETRY_SECONDS)


def test_the_test_is_posted_but_not_in_the_feed():
    channels = DOCUMENT["channels"]

    assert channels["webhooks"]["messages"].keys() - channels["feed"]["messages"].keys() == {
        "webhook.test"
    }
