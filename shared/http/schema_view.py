"""JSON Schemas made readable: a tree of fields with types and limits, and an example value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

Schema = Mapping[str, Any]

IN_COMMANDS = "x-in-commands"
"""What printed commands send where nobody types the value: variables of the shell."""

_LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "multiple of {}",
    "minLength": "min length {}",
    "maxLength": "max length {}",
    "minItems": "min items {}",
    "maxItems": "max items {}",
    "minProperties": "min entries {}",
    "maxProperties": "max entries {}",
    "pattern": "pattern {}",
    "const": "always {}",
}
_EXAMPLES = {
    "date-time": "2027-03-01T12:00:00Z",
    "date": "2027-03-01",
    "time": "12:00:00",
    "duration": "P1D",
    "uuid": "0198f3c2-7d4e-7a31-9c55-2f6b8f0e1a77",
    "uri": "https://example.com/",
    "email": "ada@example.com",
    "binary": "…",
}


@dataclass(frozen=True)
class Field:
    """One line of the tree."""

    name: str
    type: str
    is_required: bool
    description: str
    limits: tuple[str, ...]
    children: tuple["Field", ...]


class SchemaView:
    """Reads schemas that refer to one document's components."""

    def __init__(self, document: Schema) -> None:
        """Hold on to the named schemas."""
        self._named: Schema = document["components"]["schemas"]

    def field(
        self, name: str, schema: Schema, *, is_required: bool = False, trail: tuple[str, ...] = ()
    ) -> Field:
        """Describe a schema and, below it, all it is made of."""
        whole, trail, is_loop = self._resolve(schema, trail)
        return Field(
            name=name,
            type=self.type_of(schema),
            is_required=is_required,
            description=str(schema.get("description", whole.get("description", ""))),
            limits=_limits(whole),
            children=() if is_loop or self._is_apart(schema) else self._children(whole, trail),
        )

    def type_of(self, schema: Schema) -> str:
        """Name the type in a few words."""
        whole = self._resolve(schema, ())[0]
        if self._is_apart(schema):
            return str(whole["title"])
        if variants := _variants(whole):
            return " or ".join(dict.fromkeys(self.type_of(variant) for variant in variants))
        kind = whole.get("type", "any")
        if isinstance(kind, list):
            return " or ".join(str(each) for each in whole["type"])
        if kind == "array":
            return f"list of {self.type_of(whole.get('items', {}))}"
        if kind == "object" and "properties" not in whole and "additionalProperties" in whole:
            values = whole["additionalProperties"]
            return f"map to {self.type_of(values)}" if _is_schema(values) else "object"
        return f"{kind} ({whole['format']})" if "format" in whole else str(kind)

    def list_apart(self) -> list[Field]:
        """Describe each schema that is shown by itself, not wherever it is meant."""
        return [
            Field(
                name=name,
                type=self.type_of(dict(schema) | {"x-shown-apart": False}),
                is_required=False,
                description=str(schema.get("description", "")),
                limits=_limits(schema),
                children=self._children(schema, (name,)),
            )
            for name, schema in self._named.items()
            if schema.get("x-shown-apart")
        ]

    def _is_apart(self, schema: Schema) -> bool:
        return bool(self._resolve(schema, ())[0].get("x-shown-apart"))

    def example(self, schema: Schema, trail: tuple[str, ...] = ()) -> Any:  # noqa: ANN401  (any JSON value)
        """Make up a value: the schema's own example if it has one."""
        given = _given_example(schema)
        if given is not None:
            return given
        whole, trail, is_loop = self._resolve(schema, trail)
        given = _given_example(whole)
        if given is not None or is_loop:
            return given
        if variants := _variants(whole):
            return self.example(variants[0], trail)
        match whole.get("type"):
            case "object":
                return self._example_object(whole, trail)
            case "array":
                return [self.example(whole["items"], trail)] if "items" in whole else []
            case _:
                return _example_scalar(whole)

    def _example_object(self, schema: Schema, trail: tuple[str, ...]) -> dict[str, Any]:
        properties: Schema = schema.get("properties", {})
        if not properties and _is_schema(schema.get("additionalProperties")):
            return {"name": self.example(schema["additionalProperties"], trail)}
        return {name: self.example(part, trail) for name, part in properties.items()}

    def _children(self, schema: Schema, trail: tuple[str, ...]) -> tuple[Field, ...]:
        if variants := _variants(schema):
            fields = [
                self.field(str(self._resolve(each, ())[0].get("title", "or")), each, trail=trail)
                for each in variants
            ]
            if len(fields) == 1:
                return fields[0].children
            return tuple(each for each in fields if each.children)
        if "properties" in schema:
            required = schema.get("required", ())
            return tuple(
                self.field(name, part, is_required=name in required, trail=trail)
                for name, part in schema["properties"].items()
            )
        for inner in (schema.get("items"), schema.get("additionalProperties")):
            if _is_schema(inner):
                return self._inner(inner, trail)
        return ()

    def _inner(self, schema: Schema, trail: tuple[str, ...]) -> tuple[Field, ...]:
        """Show a list's items or a map's values in place: their fields, or one line of limits."""
        each = self.field("each", schema, trail=trail)
        return each.children or ((each,) if each.limits else ())

    def _resolve(
        self, schema: Schema, trail: tuple[str, ...]
    ) -> tuple[Schema, tuple[str, ...], bool]:
        """Follow a reference; the flag says that it leads back to where one came from."""
        is_loop = False
        while "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
            is_loop = is_loop or name in trail
            trail = (*trail, name)
            schema = self._named[name] | {k: v for k, v in schema.items() if k != "$ref"}
        return schema, trail, is_loop


def _is_schema(value: object) -> TypeGuard[Schema]:
    return isinstance(value, dict)


def _variants(schema: Schema) -> list[Schema]:
    if "properties" in schema:  # what else it says is which of them go together
        return []
    every: list[Schema] = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    every += schema.get("allOf", ())
    return [each for each in every if each.get("type") != "null"]


def _limits(schema: Schema) -> tuple[str, ...]:
    variants: list[Schema] = [*schema.get("anyOf", ())]
    limits = [text.format(schema[key]) for key, text in _LIMITS.items() if key in schema]
    if "enum" in schema:
        limits.append("one of " + ", ".join(str(value) for value in schema["enum"]))
    if schema.get("default") is not None:
        limits.append(f"default {schema['default']}")
    if any(each.get("type") == "null" for each in variants):
        limits.append("may be null")
    if len(real := _variants(schema)) == 1:
        limits = [*_limits(real[0]), *limits]
    return tuple(limits)


def _given_example(schema: Schema) -> Any:  # noqa: ANN401  (any JSON value)
    if IN_COMMANDS in schema:
        return schema[IN_COMMANDS]
    if schema.get("examples"):
        return schema["examples"][0]
    for key in ("example", "const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    return schema["enum"][0] if schema.get("enum") else None


def _example_scalar(schema: Schema) -> Any:  # noqa: ANN401  (any JSON value)
    match schema.get("type"):
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case "string":
            text = _EXAMPLES.get(str(schema.get("format")), "string")
            return text[: schema.get("maxLength", len(text))]
        case _:
            return "…"
