"""The page that explains an API: rendered once from its document, no scripts, no other sites."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from shared.http.commands import CommandWriter
from shared.http.openapi import scope_sentence
from shared.http.problems import PROBLEM_MEDIA, AddressNotFoundError
from shared.http.schema_view import Field, SchemaView
from shared.http.static import serve_content

TEMPLATES = Path(__file__).parent / "templates"
_CODE: Final = re.compile(r"`([^`]+)`")

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """A body as the page shows it."""

    media: str
    fields: tuple[Field, ...]
    type: str
    example: str


@dataclass(frozen=True)
class Answer:
    """One response as the page shows it."""

    status: str
    description: str
    codes: tuple[str, ...]
    content: Content | None


@dataclass(frozen=True)
class Operation:
    """One operation as the page shows it."""

    name: str
    tag: str
    method: str
    path: str
    summary: str
    description: str
    scope: str | None
    is_deprecated: bool
    parameters: tuple[tuple[str, Field], ...]
    body: Content | None
    body_note: str
    answers: tuple[Answer, ...]
    curl: str


def docs_routes(
    document: Document,
    events: Document | None = None,
    unlisted: Mapping[str, tuple[int, str]] = MappingProxyType({}),
    guide: str = "",
) -> list[web.RouteDef]:
    """Serve `/docs`, its stylesheet, the documents for machines and `/problems/{code}`.

    `events` is the AsyncAPI document of what is told, served as `/asyncapi.json`.
    `unlisted` has the problems that no operation lists: code → status and meaning. `guide` is a
    part of the page that its author wrote as HTML: an element with the id `guide`.
    """
    style = (TEMPLATES / "docs.css").read_bytes()
    codes = problem_kinds(document, unlisted)

    async def explain_problem(request: web.Request) -> web.Response:
        code = request.match_info["code"]
        if code not in codes:
            raise AddressNotFoundError
        return web.Response(status=303, headers={"Location": f"/docs#problem-{code}"})

    page = render_docs(document, unlisted, guide, tells_events=events is not None).encode()
    told = [] if events is None else [("/asyncapi.json", events)]
    return [
        web.get("/docs", serve_content(page, "text/html; charset=utf-8")),
        web.get("/docs/style.css", serve_content(style, "text/css; charset=utf-8")),
        *(
            web.get(path, serve_content(orjson.dumps(content), "application/json"))
            for path, content in (("/openapi.json", document), *told)
        ),
        web.get("/problems/{code}", explain_problem),
    ]


def render_docs(
    document: Document,
    unlisted: Mapping[str, tuple[int, str]] = MappingProxyType({}),
    guide: str = "",
    *,
    tells_events: bool = False,
) -> str:
    """Write the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    operations = list_operations(document)
    tags = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    return environment.get_template("docs.html").render(
        info=document["info"],
        guide=Markup(guide),  # noqa: S704  ours, and no input
        tells_events=tells_events,
        security=document["components"]["securitySchemes"],
        groups=[
            (tag, text, [operation for operation in operations if operation.tag == tag])
            for tag, text in tags.items()
        ],
        apart=SchemaView(document).list_apart(),
        problems=problem_kinds(document, unlisted),
    )


def list_operations(document: Document) -> list[Operation]:
    """Read every operation of the document."""
    view = SchemaView(document)
    commands = CommandWriter(document, view)
    return [
        _operation(view, commands, method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def problem_kinds(
    document: Document, unlisted: Mapping[str, tuple[int, str]] = MappingProxyType({})
) -> dict[str, dict[str, Any]]:
    """Collect every kind of problem by code: those of the document, and those it does not list."""
    kinds: dict[str, dict[str, Any]] = {
        code: {"status": status, "title": title} for code, (status, title) in unlisted.items()
    }
    for item in document["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                examples = response.get("content", {}).get(PROBLEM_MEDIA, {}).get("examples", {})
                kinds |= {code: example["value"] for code, example in examples.items()}
    return dict(sorted(kinds.items(), key=lambda kind: (kind[1]["status"], kind[0])))


def _prose(text: str) -> Markup:
    """Write a text of the document as HTML: what stands between backticks is code."""
    escaped = str(escape(text))
    return Markup(_CODE.sub(r"<code>\1</code>", escaped))  # noqa: S704 - escaped above


def _operation(
    view: SchemaView, commands: CommandWriter, method: str, path: str, operation: Document
) -> Operation:
    request: Document = operation.get("requestBody", {})
    body = _content(view, request.get("content", {}))
    scope = operation.get("x-scope")
    description: str = operation.get("description", "")
    if scope is not None:  # which the page shows by itself
        description = description.removesuffix(scope_sentence(scope)).strip()
    return Operation(
        name=operation["operationId"],
        tag=operation["tags"][0],
        method=method,
        path=path,
        summary=operation["summary"],
        description=description,
        scope=scope,
        is_deprecated=operation.get("deprecated", False),
        parameters=tuple(
            (each["in"], _parameter(view, each)) for each in operation.get("parameters", ())
        ),
        body=body,
        body_note=request.get("description", ""),
        answers=tuple(
            _answer(view, status, response) for status, response in operation["responses"].items()
        ),
        curl=commands.write(method, path, operation),
    )


def _parameter(view: SchemaView, parameter: Document) -> Field:
    schema = {"description": parameter.get("description", "")} | parameter["schema"]
    return view.field(parameter["name"], schema, is_required=parameter.get("required", False))


def _answer(view: SchemaView, status: str, response: Document) -> Answer:
    content: Document = response.get("content", {})
    is_problem = PROBLEM_MEDIA in content
    return Answer(
        status=status,
        description=response["description"],
        codes=tuple(content[PROBLEM_MEDIA]["examples"]) if is_problem else (),
        content=None if is_problem else _content(view, content),
    )


def _content(view: SchemaView, content: Document) -> Content | None:
    for media, entry in content.items():
        whole = view.field("", entry["schema"])
        is_json = media.endswith("json")
        example = json.dumps(view.example(entry["schema"]), indent=2, ensure_ascii=False)
        return Content(media, whole.children, whole.type, example if is_json else "")
    return None
