"""JSON documents, and merging one into another."""

from typing import Any, TypeGuard

Document = dict[str, Any]


def is_document(value: object) -> TypeGuard[Document]:
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def merged(document: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7396): null takes a key away, a list is replaced as a whole."""
    if not is_document(patch):
        return patch
    result = dict(document) if is_document(document) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def without_nulls(document: Document) -> Document:
    return {
        key: without_nulls(value) if is_document(value) else value
        for key, value in document.items()
        if value is not None
    }
