"""The OpenAPI document as Redocly, Spectral and generators of clients read it."""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from services.gateway.app import TAGS, describe, list_endpoints
from services.gateway.context import Context
from services.gateway.domain import SCOPES
from shared.http.openapi import SECURITY
from shared.http.problems import PROBLEM_MEDIA, Problem

DOCUMENT = describe(list_endpoints(cast("Context", None)))  # no handler is called
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
MAX_TITLE_CHARACTERS = 30


def nodes(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield cast("dict[str, Any]", part)
        for value in cast("dict[str, Any]", part).values():
            yield from nodes(value)
    if isinstance(part, list):
        for value in cast("list[Any]", part):
            yield from nodes(value)


def test_schemas_have_short_names_which_are_their_titles():
    for name, schema in SCHEMAS.items():
        assert schema["title"] == name
        assert re.fullmatch(r"[A-Za-z]+", name), name
        assert len(name) <= MAX_TITLE_CHARACTERS


def test_every_schema_is_used():
    used = {node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)}

    assert used == {f"#/components/schemas/{name}" for name in SCHEMAS}


def test_limits_are_told_in_words_of_json_schema():
    assert not [node for node in nodes(SCHEMAS) if node.keys() & {"ge", "gt", "le", "lt"}]


def test_every_operation_has_an_id_of_its_own():
    names = [operation["operationId"] for operation in OPERATIONS.values()]

    assert len(set(names)) == len(names)


def test_no_two_paths_differ_only_by_the_names_of_their_parameters():
    shapes = [re.sub(r"\{\w+\}", "{}", path) for path in DOCUMENT["paths"]]

    assert len(set(shapes)) == len(shapes)


def test_every_tag_is_described_and_used():
    used = {tag for operation in OPERATIONS.values() for tag in operation["tags"]}

    assert used == set(TAGS)
    assert {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]} == TAGS


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_described_with_its_failures(name: str):
    operation = OPERATIONS[name]
    responses: dict[str, dict[str, Any]] = operation["responses"]

    assert operation["summary"]
    assert operation["description"]
    assert any(status.startswith(("2", "303")) for status in responses)
    assert any(status.startswith("4") for status in responses)
    assert all(response["description"] for response in responses.values())
    if {SECURITY: []} in operation["security"]:
        assert operation["x-scope"] in SCOPES


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_of_problems_are_problems_of_their_status(name: str):
    for status, response in OPERATIONS[name]["responses"].items():
        examples = response.get("content", {}).get(PROBLEM_MEDIA, {}).get("examples", {})
        for code, example in examples.items():
            shown = Problem.model_validate(example["value"])
            assert (str(shown.status), shown.code) == (status, code)
            assert shown.type == f"/problems/{code}"


def test_choices_are_told_apart_by_a_value_that_is_always_there():
    for node in nodes(SCHEMAS):
        if isinstance(found := node.get("discriminator"), dict):
            key = cast("dict[str, Any]", found)["propertyName"]
            for option in node["oneOf"]:
                schema = SCHEMAS[option["$ref"].rpartition("/")[2]]
                assert key in schema["required"]
                assert "const" in schema["properties"][key]
