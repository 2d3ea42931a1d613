from typing import Any

import orjson
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.errors import InvalidError
from shared.passes.language.actions import TRIGGER_KEYS
from shared.passes.schema import registry
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument, check_template
from tests.unit.passes.samples import a_pass, a_template, compiled, pass_json

NAMES = [
    *registry.keys_of("Pass"),
    *registry.keys_of("Fields"),
    *registry.keys_of("FieldContent"),
    *registry.keys_of("Barcode"),
    *("value", "editable", "conditions", "action", "targetPath", "amount", "x"),
]
PATHS = ["a", "b", "c", "logoText", "barcode_message", "member_name", "barcode", "structure"]

texts = st.text(max_size=6) | st.sampled_from(
    [
        "{a}",
        "{b}x{c}",
        "{logoText}",
        "{barcode_message}",
        "#fff",
        "2026-01-01T00:00Z",
        "{structure}",
    ]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
names = st.sampled_from(NAMES) | st.text(max_size=3)
json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=25,
)
objects = st.dictionaries(names, json, max_size=5)
fields = st.lists(st.dictionaries(st.sampled_from(list(registry.keys_of("FieldContent"))), json))
groups = st.dictionaries(st.sampled_from(registry.FIELD_GROUPS), fields | json, max_size=4)


def with_style(rest: dict[str, Any], style: str, group: Any) -> dict[str, Any]:
    return {**rest, style: group}


skeletons = st.builds(
    with_style,
    objects,
    st.sampled_from([*registry.STYLES, "posterGeneric"]),
    groups | json,
)
relaxed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(
    skeletons, objects, st.dictionaries(st.sampled_from(TRIGGER_KEYS), json, max_size=2), objects
)
def test_no_document_makes_anything_but_findings(
    skeleton: dict[str, Any],
    properties: dict[str, Any],
    triggers: dict[str, Any],
    values: dict[str, Any],
):
    try:
        document = TemplateDocument.model_validate(
            {"pass": skeleton, "properties": properties, "triggers": triggers}
        )
        # Nothing else comes out of the database.
        values = orjson.loads(orjson.dumps(values))
    except (ValidationError, TypeError):
        return
    check_template(document)
    template = compile_template(document, name="n", organization="o")
    state = a_pass(values)

    orjson.loads(pass_json(template, state))
    template.display(state)
    for path in [*template.leaves, *PATHS]:
        template.read(a_pass(), path)
    for key in triggers:
        template.run(key, a_pass())


@relaxed
@given(st.dictionaries(st.sampled_from(PATHS[:3]), texts, min_size=3), texts, texts)
def test_composing_ends_however_texts_refer_to_each_other(
    properties: dict[str, Any], logo_text: str, message: str
):
    template = a_template(
        {
            "logoText": logo_text.replace("\x00", ""),
            "barcode": {"message": message.replace("\x00", "")},
        },
        properties={name: text.replace("\x00", "") for name, text in properties.items()},
    )

    raw = pass_json(template, a_pass())

    assert pass_json(template, a_pass()) == raw


@relaxed
@example({"barcode": {"boardingPass": {"boardingPass": None, "value": False}}})
@given(st.dictionaries(st.sampled_from([*PATHS, "locations", "maxDistance", "zz"]), json))
def test_values_are_taken_or_refused_and_what_is_taken_composes(values: dict[str, Any]):
    template = a_template(properties={"a": 1, "b": "{a}", "c": True})
    try:
        checked = template.check_values(values)
    except InvalidError:
        return

    state = a_pass(checked)
    turned = a_pass(dict(reversed(checked.items())))

    assert pass_json(template, state) == pass_json(template, turned)
    assert template.check_values(checked) == checked


@relaxed
@given(st.permutations(list(a_template().leaves)))
def test_order_of_keys_makes_no_difference(paths: list[str]):
    template = a_template()
    values = {path: template.read(a_pass(), path) for path in paths}

    assert pass_json(template, a_pass(values)) == pass_json(
        template, a_pass(dict(sorted(values.items())))
    )


def test_rebuilding_is_deterministic():
    document = TemplateDocument.model_validate({"pass": {"generic": {}}})

    assert pass_json(compiled(document), a_pass()) == pass_json(compiled(document), a_pass())
