"""What a template says at paths is written where it stands, and nothing else changes."""

from typing import Any

import pytest

from shared.passes.template.compiled import compile_template
from shared.passes.template.defaults import with_defaults
from shared.passes.template.document import TemplateDocument

CARD: dict[str, Any] = {
    "pass": {
        "description": "Card",
        "logoText": {"value": "Beans", "editable": True},
        "storeCard": {
            "headerFields": [{"key": "points", "label": "Points", "value": 1}],
            "backFields": [
                {"key": "terms", "value": "None"},
                {"key": "news", "value": {"value": "Old", "label": "News", "editable": True}},
            ],
        },
        "barcode": {"format": "PKBarcodeFormatQR", "message": "m", "messageEncoding": "utf-8"},
    },
    "properties": {"plain": "p", "shop": {"value": "Beans", "editable": True, "label": "Shop"}},
}


def changed(**values: Any) -> dict[str, Any]:
    document = TemplateDocument.model_validate(CARD)
    compiled = compile_template(document, name="Card", organization="Beans")
    written = with_defaults(document, compiled.path_index, values)
    assert document == TemplateDocument.model_validate(CARD)
    return written.model_dump(by_alias=True)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("description", ("pass", "description")),
        ("logoText", ("pass", "logoText", "value")),
        ("structure_headerFields_points_value", ("pass", "storeCard", "headerFields", 0, "value")),
        (
            "structure_backFields_news_value",
            ("pass", "storeCard", "backFields", 1, "value", "value"),
        ),
        ("plain", ("properties", "plain")),
        ("shop", ("properties", "shop", "value")),
    ],
)
def test_a_value_is_written_where_it_stands(path: str, place: tuple[str | int, ...]):
    before: Any = TemplateDocument.model_validate(CARD).model_dump(by_alias=True)
    after: Any = changed(**{path: "new"})

    target = before
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = "new"
    assert after == before
