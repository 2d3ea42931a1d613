import pytest

from shared.errors import ConflictError, NotFoundError
from shared.http.parsing import pointer
from shared.http.problems import Problem, UnforeseenError, problem, status_problem


class CupMissingError(NotFoundError):
    """There is no such cup.

    Nobody knows where it went.
    """

    code = "cup_missing"


def test_problem_is_named_by_its_error():
    content = problem(CupMissingError("Cup 3 is gone."))

    assert content == {
        "type": "/problems/cup_missing",
        "title": "There is no such cup.",
        "status": 404,
        "detail": "Cup 3 is gone.",
        "code": "cup_missing",
    }


def test_problem_lists_single_faults():
    faults = [{"pointer": "/cups/0", "detail": "Cracked"}]

    content = problem(ConflictError(errors=faults))

    assert content["errors"] == faults
    assert Problem.model_validate(content).errors[0].detail == "Cracked"


def test_unknown_failure_tells_no_detail():
    assert problem(UnforeseenError()) == {
        "type": "/problems/internal_error",
        "title": "Something failed on our side that nobody foresaw.",
        "status": 500,
        "detail": "Something failed on our side that nobody foresaw.",
        "code": "internal_error",
    }
    assert status_problem(417)["code"] == "expectation_failed"


@pytest.mark.parametrize(
    ("steps", "document", "missing", "expected"),
    [
        (("a", 0, "b"), {"a": [{"b": 1}]}, False, "/a/0/b"),
        (("a", "Spout", "length"), {"a": {"length": 1}}, False, "/a/length"),
        (("a", "Spout", "length"), {"a": {}}, True, "/a/length"),
        (("a/b", "c~d"), {"a/b": {"c~d": 1}}, False, "/a~1b/c~0d"),
        (("a", "key", "[key]"), {"a": {"key": 1}}, False, "/a/key"),
        ((), {}, False, ""),
    ],
)
def test_pointer_names_only_what_was_sent(
    steps: tuple[str | int, ...], document: object, *, missing: bool, expected: str
):
    assert pointer(steps, document, missing=missing) == expected
