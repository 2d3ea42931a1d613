import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from shared.http.docs import list_operations, render_docs
from shared.http.endpoint import Call, Endpoint, routes
from shared.http.openapi import openapi_document
from shared.http.schema_view import SchemaView
from tests.unit.http.toys import ENDPOINTS, NewTeapot, Teapot, authenticate

DOCUMENT = openapi_document(
    ENDPOINTS,
    title="Teapots",
    version="1.2",
    description="A shop.\n\nOf teapots.",
    scopes={"teapots:read": "Look at them."},
)
METHODS = {"get", "post", "put", "delete"}


def nodes(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        for value in cast("dict[str, Any]", part).values():
            yield from nodes(value)
    if isinstance(part, list):
        for value in cast("list[Any]", part):
            yield from nodes(value)


def operations() -> list[dict[str, Any]]:
    return [op for item in DOCUMENT["paths"].values() for op in item.values()]


def test_document_is_plain_json():
    assert orjson.loads(orjson.dumps(DOCUMENT)) == DOCUMENT


def test_every_reference_leads_somewhere():
    references = {node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)}

    assert "#/components/schemas/Problem" in references
    for reference in references:
        name = reference.removeprefix("#/components/schemas/")
        assert name in DOCUMENT["components"]["schemas"]


def test_operation_is_named_after_its_handler_and_only_once():
    names = [operation["operationId"] for operation in operations()]

    assert sorted(names) == sorted(endpoint.name for endpoint in ENDPOINTS)
    assert len(set(names)) == len(names)


def test_handler_may_not_serve_two_endpoints():
    with pytest.raises(ValueError, match="make_teapot"):
        routes([ENDPOINTS[0], ENDPOINTS[0]], authenticate=authenticate)


def test_every_path_parameter_is_declared():
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert method in METHODS
            assert declared == set(re.findall(r"\{(\w+)\}", path))


def test_pattern_in_a_path_becomes_a_schema():
    parameter = DOCUMENT["paths"]["/teapots/{handle}"]["delete"]["parameters"][0]

    assert parameter["schema"]["pattern"] == "^(?:[a-z-]{1,20})$"


def test_every_post_takes_an_idempotency_key():
    for item in DOCUMENT["paths"].values():
        for method, operation in item.items():
            headers = [each["name"] for each in operation["parameters"] if each["in"] == "header"]
            assert headers == (["Idempotency-Key"] if method == "post" else [])


def test_query_parameters_come_from_the_model():
    parameters = DOCUMENT["paths"]["/teapots"]["get"]["parameters"]
    by_name = {each["name"]: each for each in parameters}

    assert set(by_name) == {"limit", "cursor", "colours", "since"}
    assert by_name["limit"]["schema"]["maximum"] == 250
    assert by_name["since"]["schema"] == {"title": "Since", "type": "integer"}


def test_errors_that_apply_are_documented():
    assert set(DOCUMENT["paths"]["/teapots"]["post"]["responses"]) == {
        *("201", "400", "401", "403", "408", "409", "413", "415", "422", "429", "503")
    }
    assert set(DOCUMENT["paths"]["/page"]["get"]["responses"]) == {"200", "400", "429", "503"}


def test_problem_response_shows_its_codes():
    responses = DOCUMENT["paths"]["/teapots/{handle}"]["get"]["responses"]
    content = responses["404"]["content"]["application/problem+json"]

    assert list(content["examples"]) == ["teapot_not_found"]
    assert "Retry-After" in responses["429"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]


def test_scopes_are_required_and_described():
    scheme = DOCUMENT["components"]["securitySchemes"]["ApiKey"]

    assert DOCUMENT["paths"]["/teapots"]["post"]["security"] == [{"ApiKey": []}]
    assert DOCUMENT["paths"]["/teapots"]["post"]["x-scope"] == "teapots:write"
    assert DOCUMENT["paths"]["/page"]["get"]["security"] == []
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-Key")
    assert "`teapots:read`: Look at them." in scheme["description"]


def test_raw_body_is_documented_by_its_media():
    upload = DOCUMENT["paths"]["/pictures/{handle}"]["put"]

    assert list(upload["requestBody"]["content"]) == ["image/png"]


async def serve(_call: Call[Any, Any]) -> None: ...


def test_answers_that_differ_and_second_spellings_are_documented():
    brew = Endpoint(
        "GET", r"/{page:tea(?:\.php)?}", serve, summary="Brew", tag="Tea", scope=None, raw=True,
        shown=("/tea.php", "/tea"), status=303, also=(200, 304), media="text/plain",
        also_media=("text/html",), other_errors={"text/html": None, "application/json": Teapot},
    )  # fmt: skip
    document = openapi_document([brew], title="Tea", version="1", description="Tea")
    first, second = (document["paths"][path]["get"] for path in ("/tea.php", "/tea"))
    responses = first["responses"]

    assert (first.pop("operationId"), second.pop("operationId")) == ("serve", "serve_2")
    assert first == second
    assert list(responses["200"]["content"]) == ["text/plain", "text/html"]
    assert [status for status in responses if "content" not in responses[status]] == ["303", "304"]
    assert set(responses["429"]["content"]) == {
        *("application/problem+json", "text/html", "application/json")
    }


def test_body_that_may_be_anything_is_described_and_not_required():
    told = Endpoint(
        "POST", "/log", serve, summary="Tell", tag="Tea", scope=None, raw=True, body=NewTeapot,
        described=("application/json",), media="",
    )  # fmt: skip
    document = openapi_document([told], title="Tea", version="1", description="Tea")
    operation = document["paths"]["/log"]["post"]

    assert list(operation["requestBody"]["content"]) == ["application/json"]
    assert not operation["requestBody"]["required"]
    assert operation["responses"]["200"] == {"description": "OK"}


def test_example_follows_the_schema():
    schema = DOCUMENT["components"]["schemas"]["NewTeapot"]
    view = SchemaView(DOCUMENT)

    teapot = NewTeapot.model_validate(view.example(schema) | {"lid": None})

    assert teapot.colour == "celadon"


def test_schema_that_holds_itself_is_shown_once():
    field = SchemaView(DOCUMENT).field("x", {"$ref": "#/components/schemas/NewTeapot"})
    lid = field.children[-1]

    assert (lid.name, lid.type, lid.children) == ("lid", "object", ())


def test_page_shows_every_operation_and_needs_nothing_from_elsewhere():
    page = render_docs(DOCUMENT)

    for endpoint in ENDPOINTS:
        assert f'id="{endpoint.name}"' in page
    assert "<script" not in page
    assert "style=" not in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_links_inside_the_page_lead_somewhere():
    page = render_docs(DOCUMENT)
    ids = re.findall(r'id="([^"]+)"', page)

    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_names_in_addresses_are_variables_of_the_commands():
    command = next(one.curl for one in list_operations(DOCUMENT) if one.name == "show_teapot")

    assert command == 'curl "$PASSWRIGHT_URL/teapots/$HANDLE"'


def test_page_escapes_what_it_shows():
    described = DOCUMENT | {"info": DOCUMENT["info"] | {"title": "<b>Tea</b>"}}

    assert "<b>Tea</b>" not in render_docs(described)


def test_page_shows_what_stands_between_backticks_as_code_and_escapes_it_too():
    text = "Send `<key>` as `X-API-Key` & wait."
    page = render_docs(DOCUMENT | {"info": DOCUMENT["info"] | {"description": text}})

    assert "<p>Send <code>&lt;key&gt;</code> as <code>X-API-Key</code> &amp; wait.</p>" in page


def test_document_names_the_licence_of_the_project():
    text = Path("LICENSE").read_text("utf-8")

    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"
    assert "Apache License" in text.splitlines()[1]
