"""The guide on /docs says what the code does."""

import html
import re
from typing import cast

import orjson
import pytest

from services.gateway.app import GUIDE, describe, list_endpoints
from services.gateway.context import Context
from services.gateway.routes.passsource.api import FUNCTIONS, STREAMS
from services.gateway.routes.passsource.words import ACCESS_TYPES
from services.gateway.routes.problems import UNLISTED
from services.notifier.feed.domain.happenings import RETENTION
from services.notifier.partners.domain.webhooks import FAILING_FOR
from services.triggers.clients import MAX_REDIRECTS
from services.triggers.domain import TRIGGER_OF
from services.triggers.jobs.runs import CALL_SECONDS
from shared.contracts.partners import RETRY_JITTER, RETRY_SECONDS
from shared.contracts.triggers import DEPTH_HEADER, MAX_DEPTH, MAX_RUN_TIME
from shared.http.docs import render_docs
from shared.http.outgoing import TOTAL_SECONDS
from shared.passes.language.actions import ACTION_NEEDS
from shared.passes.language.paths import MEMBER_FACTS
from shared.passes.language.rights import ACCOUNT_WORDS, MEMBER_PATHS
from shared.passes.template.document import check_template
from tests.unit.passes.samples import a_document

PAGE = GUIDE.read_text("utf-8")
DOCUMENT = describe(list_endpoints(cast("Context", None)))  # no handler is called
WHOLE = render_docs(DOCUMENT, UNLISTED, PAGE)
MINUTE, HOUR = 60, 3_600


@pytest.mark.parametrize(
    "words",
    [
        [f"<code>{action}</code>" for action in ACTION_NEEDS],
        [f"<code>{trigger}</code>" for trigger in TRIGGER_OF.values()],
        [f"{{{fact}}}" for fact in MEMBER_FACTS],
        [f"{{{word}}}" for word in ACCOUNT_WORDS | MEMBER_PATHS],
        [f"<code>{function}</code>" for function in [*FUNCTIONS, *STREAMS]],
    ],
)
def test_guide_names_each(words: list[str]):
    assert [word for word in words if word not in PAGE] == []


def test_guide_tells_the_limits_of_calls():
    assert f"Each call may take {CALL_SECONDS:.0f} seconds" in PAGE
    assert f"all of an event {MAX_RUN_TIME.total_seconds():.0f};" in PAGE
    assert f"<code>{DEPTH_HEADER}</code>: at a depth of {MAX_DEPTH} " in PAGE
    assert MAX_REDIRECTS == 3
    assert "up to three redirects" in PAGE


def test_guide_tells_when_webhooks_are_tried_again():
    first, five, thirty, *later = RETRY_SECONDS
    hours = [str(seconds // HOUR) for seconds in later]

    assert (first, five, thirty) == (5, 5 * MINUTE, 30 * MINUTE)
    assert RETRY_JITTER == 1 / 5
    assert (
        f"ten times in all, after 5 seconds, 5 and 30 minutes, {', '.join(hours[:-1])} and "
        f"{hours[-1]} hours, each give or take a fifth" in PAGE
    )
    assert len(RETRY_SECONDS) + 1 == 10
    assert f"within {TOTAL_SECONDS:.0f} seconds" in PAGE
    assert f"failed for {FAILING_FOR.days} days" in PAGE
    assert f"read for {RETENTION.days} days" in PAGE


def test_guide_numbers_kinds_of_access_as_passsource_does():
    words = {"device_update": "update by a device"}
    kinds = [f"{number} {words.get(kind, kind)}" for number, kind in enumerate(ACCESS_TYPES)]

    assert f"<code>accessType</code> is {', '.join(kinds)}," in PAGE


def test_rules_and_conditions_of_the_guide_pass_the_check():
    [example] = re.findall(r"<pre[^>]*><code>(\{.*?)</code>", PAGE, re.DOTALL)
    [condition] = re.findall(r"<code>(\{code\} !isEmpty.*?)</code>", PAGE)
    triggers = orjson.loads(html.unescape(example))
    actions = triggers["onScan"]
    actions.append(actions[-1] | {"PSConditions": html.unescape(condition)})
    document = a_document(
        images={"icon": "a" * 64},
        properties={"code": "C", "visits": 0},
        triggers=triggers,
    )

    assert list(check_template(document)) == []


def test_links_of_the_page_lead_somewhere():
    names = re.findall(r'id="([^"]+)"', WHOLE)
    links = re.findall(r'href="#([^"]+)"', PAGE)

    assert [link for link in links if link not in names] == []
    assert len(set(names)) == len(names)
