"""The field that carries news, and what a template says after another text is set in it."""

from typing import Any

import pytest

from shared import clock
from shared.passes.language.state import PassState
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument
from shared.passes.template.news import (
    NoNewsFieldError,
    fields_of,
    find_news_field,
    texts_of,
    with_text,
)

NEWS: dict[str, Any] = {"key": "news", "value": "old", "changeMessage": "%@"}


def a_document(*back: dict[str, Any], **structure: Any) -> dict[str, Any]:
    return {"pass": {"storeCard": {**structure, "backFields": list(back)}}}


def compiled(document: dict[str, Any]) -> Any:
    return compile_template(TemplateDocument.model_validate(document), name="C", organization="B")


def a_state(values: dict[str, Any] | None = None) -> PassState:
    return PassState("h", "s", values or {}, None, voided=False, changed_at=clock.now())


def test_own_change_message_of_a_pass_counts():
    template = compiled(a_document({"key": "news", "value": "old"}))
    path = "structure_backFields_news_changeMessage"

    assert find_news_field(template, a_state({path: "News: %@"}), None).key == "news"
    with pytest.raises(NoNewsFieldError):
        find_news_field(template, a_state(), None)


def test_news_may_stand_on_the_front_and_have_no_value_yet():
    front = [{"key": "news", "changeMessage": "%@"}]
    template = compiled(a_document(secondaryFields=front))

    field = find_news_field(template, a_state(), None)

    assert field.value == "structure_secondaryFields_news_value"
    assert texts_of(template, a_state(), fields_of(template)) == {"news": ""}


def test_text_goes_into_the_field_and_nothing_else_changes():
    document = a_document({"key": "a", "value": "A"}, NEWS)
    field = find_news_field(compiled(document), a_state(), "news")

    changed = with_text(document, field, "new")

    assert changed == a_document({"key": "a", "value": "A"}, {**NEWS, "value": "new"})
    assert document == a_document({"key": "a", "value": "A"}, NEWS)
