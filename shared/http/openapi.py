"""The OpenAPI 3.1 document of a table of endpoints."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from shared.errors import (
    ApplicationError,
    ForbiddenError,
    InvalidError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from shared.http.endpoint import JSON_MEDIA, AnyEndpoint
from shared.http.limiting import RateLimitedError
from shared.http.parsing import KEY_LENGTH
from shared.http.problems import (
    PROBLEM_MEDIA,
    AddressNotFoundError,
    BadRequestError,
    Problem,
    SlowRequestError,
    UnsupportedMediaError,
    problem,
    write_status,
)

SECURITY = "ApiKey"
_COMPONENTS = "#/components/schemas/"
_WITHOUT_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.SEE_OTHER, HTTPStatus.NOT_MODIFIED}
_PARAMETER = re.compile(r"\{([^{}:]+)(?::((?:[^{}]|\{[^{}]*\})+))?\}")
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names this request, so that sending it again does not do it again.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": KEY_LENGTH,
        "pattern": r'^([!#-~][!-~]*|"([!#-\[\]-~]|\\["\\])+")$',
    },
}

Schemas = Mapping[tuple[type[BaseModel], JsonSchemaMode], dict[str, Any]]


def openapi_document(
    endpoints: Sequence[AnyEndpoint],
    *,
    title: str,
    version: str,
    description: str,
    scopes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    credentials: Mapping[str, Mapping[str, str]] | None = None,
    components: Mapping[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Write the whole document; `scopes` and `tags` say in a sentence what each is for.

    `credentials` are the security schemes besides API keys, `components` the schemas that models
    refer to as `x-component` because no model describes them.
    """
    endpoints = [endpoint for endpoint in endpoints if not endpoint.hidden]
    schemas, definitions = _schemas(endpoints)
    apart = components or {}
    if taken := definitions.keys() & apart.keys():
        raise ValueError(f"two schemas have the same title: {sorted(taken)}")
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for endpoint in endpoints:
        for number, shown in enumerate(endpoint.shown or [endpoint.path], start=1):
            path, method = _PARAMETER.sub(r"{\1}", shown), endpoint.method.lower()
            if method in paths[path]:
                raise ValueError(f"two endpoints are shown as {method} {path}")
            name = endpoint.name if number == 1 else f"{endpoint.name}_{number}"
            paths[path][method] = {"operationId": name, **_operation(endpoint, shown, schemas)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": description,
            "contact": {"name": "Whoever runs this installation"},
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": tag, "description": (tags or {}).get(tag, "")}
            for tag in dict.fromkeys(e.tag for e in endpoints)
        ],
        "paths": dict(paths),
        "components": {
            "schemas": {**definitions, **apart},
            "securitySchemes": {
                SECURITY: _security_scheme(endpoints, scopes or {}),
                **(credentials or {}),
            },
        },
    }


def scope_sentence(scope: str) -> str:
    """Say which scope an operation needs: OpenAPI lists scopes only of OAuth."""
    return f"Needs the scope `{scope}`."


def errors_of(endpoint: AnyEndpoint) -> list[type[ApplicationError]]:
    """List the errors an endpoint may answer: its own and those that every such endpoint has."""
    takes_body = endpoint.reads_json or bool(endpoint.accepts)
    always: list[tuple[type[ApplicationError], bool]] = [
        (BadRequestError, True),
        (UnauthorizedError, endpoint.scope is not None),
        (ForbiddenError, endpoint.scope is not None),
        (AddressNotFoundError, any(pattern for _, pattern in _PARAMETER.findall(endpoint.path))),
        (SlowRequestError, takes_body),
        (TooLargeError, takes_body),
        (UnsupportedMediaError, takes_body),
        (InvalidError, endpoint.query is not None or not endpoint.raw),
        (RateLimitedError, True),
        (UnavailableError, True),
    ]
    applying = [kind for kind, applies in always if applies]
    return sorted(dict.fromkeys([*applying, *endpoint.errors]), key=lambda kind: kind.status)


def _schemas(endpoints: Sequence[AnyEndpoint]) -> tuple[Schemas, dict[str, Any]]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for endpoint in endpoints:
        if endpoint.body is not None:
            wanted[endpoint.body, "validation"] = None
        for model in (endpoint.returns, *endpoint.other_errors.values()):
            if model is not None:
                wanted[model, "serialization"] = None
    references, document = models_json_schema(
        list(wanted), by_alias=True, ref_template=_COMPONENTS + "{model}"
    )
    definitions = document.get("$defs", {})
    titles = {name: str(schema["title"]) for name, schema in definitions.items()}
    if len(set(titles.values())) < len(titles):
        raise ValueError(f"two schemas have the same title: {sorted(titles.values())}")
    schemas: Any = {model: _renamed(schema, titles) for model, schema in references.items()}
    return schemas, {titles[name]: _renamed(part, titles) for name, part in definitions.items()}


def _renamed(part: Any, titles: Mapping[str, str]) -> Any:  # noqa: ANN401  (any part of a JSON Schema)
    """Refer to schemas by their titles, which are what clients call them."""
    if isinstance(part, list):
        return [_renamed(each, titles) for each in cast("list[Any]", part)]
    if isinstance(part, str) and part.startswith(_COMPONENTS):  # $ref, or a discriminator's mapping
        return _COMPONENTS + titles[part.removeprefix(_COMPONENTS)]
    if not isinstance(part, dict):
        return part
    entries = cast("dict[str, Any]", part)
    if "x-component" in entries:
        rest = {key: each for key, each in entries.items() if key not in {"x-component", "title"}}
        return {"$ref": _COMPONENTS + entries["x-component"], **rest}
    return {key: _renamed(each, titles) for key, each in entries.items()}


def _operation(endpoint: AnyEndpoint, path: str, schemas: Schemas) -> dict[str, Any]:
    scheme = endpoint.credential if endpoint.scope is None else SECURITY
    operation: dict[str, Any] = {
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint, path),
        "responses": _responses(endpoint, schemas),
        "security": [{scheme: []}] if scheme else [],
    }
    if endpoint.scope is not None:
        operation["x-scope"] = endpoint.scope
    needs = scope_sentence(endpoint.scope) if endpoint.scope else ""
    if text := "\n\n".join(filter(None, (endpoint.description, needs))):
        operation["description"] = text
    if endpoint.deprecated:
        operation["deprecated"] = True
    if content := _request_content(endpoint, schemas):
        operation["requestBody"] = {
            "required": not endpoint.described,
            "content": content,
            "description": f"At most {endpoint.body_limit} bytes.",
        }
    return operation


def _parameters(endpoint: AnyEndpoint, path: str) -> list[dict[str, Any]]:
    parameters = [dict(parameter) for parameter in endpoint.parameters]
    known = {parameter["name"] for parameter in parameters}
    for name, pattern in _PARAMETER.findall(path):
        if name in known:
            continue
        schema = {"type": "string", "minLength": 1}
        if pattern:
            schema["pattern"] = f"^(?:{pattern})$"
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    if endpoint.query is not None:
        parameters += _query_parameters(endpoint.query)
    if endpoint.takes_key:
        parameters.append(_IDEMPOTENCY_KEY)
    return parameters


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    described = model.model_json_schema(by_alias=True)
    definitions = described.get("$defs", {})
    required = described.get("required", [])
    parameters: list[dict[str, Any]] = []
    for name, whole in described.get("properties", {}).items():
        schema = _inlined(whole, definitions)
        parameter: dict[str, Any] = {"name": name, "in": "query", "required": name in required}
        if text := schema.pop("description", None):
            parameter["description"] = text
        # A parameter is left out, never null.
        options = [part for part in schema.get("anyOf", []) if part != {"type": "null"}]
        if len(options) == 1:
            del schema["anyOf"]
            schema |= options[0]
        if schema.get("default", ...) is None:
            del schema["default"]
        parameters.append(parameter | {"schema": schema})
    return parameters


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401  (any part of a JSON Schema)
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    entries = cast("dict[str, Any]", schema)
    if "$ref" in entries:
        named = definitions[entries["$ref"].rpartition("/")[2]]
        rest = {key: value for key, value in entries.items() if key != "$ref"}
        return _inlined(named, definitions) | rest
    return {key: _inlined(value, definitions) for key, value in entries.items()}


def _request_content(endpoint: AnyEndpoint, schemas: Schemas) -> dict[str, Any]:
    schema = schemas[endpoint.body, "validation"] if endpoint.body else _bytes_schema()
    if endpoint.raw:
        return {media: {"schema": schema} for media in endpoint.accepts or endpoint.described}
    return {JSON_MEDIA: {"schema": schema}} if endpoint.body else {}


def _responses(endpoint: AnyEndpoint, schemas: Schemas) -> dict[str, Any]:
    by_status: dict[int, list[type[ApplicationError]]] = defaultdict(list)
    for kind in errors_of(endpoint):
        by_status[_status_of(endpoint, kind)].append(kind)
    return {
        **{
            str(status): _success(endpoint, schemas, status)
            for status in (endpoint.status, *endpoint.also)
        },
        **{
            str(status): _problem_response(endpoint, schemas, kinds)
            for status, kinds in by_status.items()
        },
    }


def _status_of(endpoint: AnyEndpoint, kind: type[ApplicationError]) -> int:
    """Find with which status a dialect tells an error; that of success is told apart elsewhere."""
    written = endpoint.write_error(kind()).status
    return written if written >= HTTPStatus.BAD_REQUEST else kind.status


def _success(endpoint: AnyEndpoint, schemas: Schemas, status: int) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if status in _WITHOUT_BODY or not endpoint.media:
        return response
    if endpoint.returns is not None:
        schema = schemas[endpoint.returns, "serialization"]
    elif endpoint.raw or endpoint.media != JSON_MEDIA:
        schema = _bytes_schema()
    else:
        return response
    medias = (endpoint.media, *endpoint.also_media)
    return {**response, "content": {media: {"schema": schema} for media in medias}}


def _problem_response(
    endpoint: AnyEndpoint, schemas: Schemas, kinds: list[type[ApplicationError]]
) -> dict[str, Any]:
    problems = {kind.code: problem(kind()) for kind in kinds}
    response: dict[str, Any] = {
        "description": " ".join(dict.fromkeys(str(each["title"]) for each in problems.values())),
    }
    if endpoint.write_error is not write_status:
        others = {
            media: {"schema": schemas[model, "serialization"] if model else {"type": "string"}}
            for media, model in endpoint.other_errors.items()
        }
        as_problems = {
            PROBLEM_MEDIA: {
                "schema": {"$ref": _COMPONENTS + "Problem"},
                "examples": {code: {"value": value} for code, value in problems.items()},
            }
        }
        response["content"] = others if endpoint.writes_no_problems else as_problems | others
    if any(issubclass(kind, RateLimitedError | UnavailableError) for kind in kinds):
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait before sending the same request again.",
                "schema": {"type": "integer"},
            }
        }
    return response


def _security_scheme(endpoints: Sequence[AnyEndpoint], scopes: Mapping[str, str]) -> dict[str, Any]:
    used = dict.fromkeys(e.scope for e in endpoints if e.scope is not None)
    lines = [
        f"- `{scope}`: {scopes[scope]}" if scope in scopes else f"- `{scope}`" for scope in used
    ]
    text = "\n".join(["An API key. Each operation names the scope its key must hold:", "", *lines])
    return {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": text,
        "x-command": "$PASSWRIGHT_KEY",
    }


def _bytes_schema() -> dict[str, Any]:
    return {"type": "string", "format": "binary"}
