"""Every problem that the API answers is explained on /docs, where its `type` leads."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import cast

import pytest

import services
import shared
from services.gateway.app import describe, list_endpoints
from services.gateway.context import Context
from services.gateway.routes.problems import UNLISTED
from shared.errors import ApplicationError
from shared.http.docs import problem_kinds, render_docs
from shared.http.problems import status_problem, title_of

DOCUMENT = describe(list_endpoints(cast("Context", None)))  # no handler is called
LISTED = problem_kinds(DOCUMENT)
KINDS = problem_kinds(DOCUMENT, UNLISTED)
PAGE = render_docs(DOCUMENT, UNLISTED)


def error_classes() -> list[type[ApplicationError]]:
    for package in (services, shared):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    ours = {kind for kind in below(ApplicationError) if kind.__module__.startswith(OURS)}
    return sorted(ours, key=name_of)


def name_of(kind: type[ApplicationError]) -> str:
    return f"{kind.__module__}.{kind.__name__}"


def below(kind: type[ApplicationError]) -> Iterator[type[ApplicationError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from below(narrower)


OURS = ("services.", "shared.")
CLASSES = error_classes()


@pytest.mark.parametrize("kind", CLASSES, ids=name_of)
def test_every_error_is_explained_where_its_type_leads(kind: type[ApplicationError]):
    shown = KINDS[kind.code]
    same = {(one.status, title_of(one)) for one in CLASSES if one.code == kind.code}

    assert f'id="problem-{kind.code}"' in PAGE
    assert (shown["status"], shown["title"]) in same


@pytest.mark.parametrize("status", [417])
def test_what_the_server_answers_by_itself_is_explained(status: int):
    code = status_problem(status)["code"]

    assert KINDS[code]["status"] == status
    assert f'id="problem-{code}"' in PAGE


def test_no_problem_is_explained_twice_or_for_nothing():
    answered = {kind.code for kind in CLASSES} | {"internal_error", "expectation_failed"}

    assert not UNLISTED.keys() & LISTED.keys()
    assert KINDS.keys() <= answered
