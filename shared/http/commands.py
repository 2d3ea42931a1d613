"""An API's operations as commands that can be pasted into a shell."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from shared.http.parsing import FORM_MEDIA
from shared.http.schema_view import SchemaView

Document = Mapping[str, Any]

_PATH_NAME = re.compile(r"\{(\w+)\}")
_FILES = {"text/csv": "$ROWS"}
"""Which file is sent, of a media type that is not any file's."""

_TEXT_MEDIA = re.compile(r"text/|json|pem")


class CommandWriter:
    """Writes operations as `curl` commands; what only its reader knows is a shell variable.

    Every name in a path, such as `template_id`, is one (`$TEMPLATE_ID`), wherever it is asked for.
    """

    def __init__(self, document: Document, view: SchemaView) -> None:
        """Hold on to what is known of all operations."""
        self._view = view
        self._schemes: Document = document["components"]["securitySchemes"]
        self._ids = {name for path in document["paths"] for name in _PATH_NAME.findall(path)}

    def write(self, method: str, path: str, operation: Document) -> str:
        """Write one operation."""
        parameters: Sequence[Document] = operation.get("parameters", ())
        address = _PATH_NAME.sub(partial(_place, parameters), path) + self._query(parameters)
        words = ["curl"] if method == "GET" else ["curl", "-X", method]
        lines = [" ".join([*words, f'"$PASSWRIGHT_URL{address}"'])]
        for name in (name for needed in operation["security"] for name in needed):
            scheme = self._schemes[name]
            lines.append(f'-H "{scheme["name"]}: {scheme["x-command"]}"')
        if _answers_bytes(operation):
            lines.append("-O")
        lines += self._sent(operation)
        return " \\\n  ".join(lines)

    def _query(self, parameters: Sequence[Document]) -> str:
        pairs: list[str] = []
        for each in parameters:
            if each["in"] == "query" and (each["required"] or "example" in each):
                value: Any = each.get("example") or self._view.example(each["schema"])
                values = cast("list[Any]", value if isinstance(value, list) else [value])
                pairs += [f"{each['name']}={one}" for one in values]
        return "?" + "&".join(pairs) if pairs else ""

    def _sent(self, operation: Document) -> list[str]:
        """Say what is sent, last: a text with variables follows below the command."""
        content: Document = operation.get("requestBody", {}).get("content", {})
        if not content:
            return []
        media, entry = next(iter(content.items()))
        if media == FORM_MEDIA:
            fields: Document = self._example(entry["schema"])
            return [f"--data-urlencode {shlex.quote(f'{n}={v}')}" for n, v in fields.items()]
        kind = f"-H {shlex.quote(f'Content-Type: {media}')}"
        if not media.endswith("json"):
            return [kind, f'--data-binary "@{_FILES.get(media, "$FILE")}"']
        body = json.dumps(self._example(entry["schema"]), indent=2, ensure_ascii=False)
        return [kind, f"-d @- <<END\n{body}\nEND" if "$" in body else f"-d {shlex.quote(body)}"]

    def _example(self, schema: Document) -> Any:  # noqa: ANN401  (any JSON value)
        return self._with_variables(self._view.example(schema))

    def _with_variables(self, value: Any) -> Any:  # noqa: ANN401  (any JSON value)
        if isinstance(value, list):
            return [self._with_variables(item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        return {
            name: f"${name.upper()}"
            if name in self._ids and _is_plain(item)
            else self._with_variables(item)
            for name, item in cast("dict[str, Any]", value).items()
        }


def _place(parameters: Sequence[Document], found: re.Match[str]) -> str:
    """Put into a path what its parameter's example says, else a variable."""
    name = found[1]
    given = (each.get("example") for each in parameters if each["name"] == name)
    return next(given, None) or f"${name.upper()}"


def _is_plain(value: object) -> bool:
    """Whether this is a text that is no variable yet."""
    return isinstance(value, str) and not value.startswith("$")


def _answers_bytes(operation: Document) -> bool:
    """Whether the answer is a file, which is not for a terminal."""
    success = next(iter(operation["responses"].values()))
    return any(not _TEXT_MEDIA.search(media) for media in success.get("content", ()))
