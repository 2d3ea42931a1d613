import operator
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.passes.language.condition_nodes import (
    Comparison,
    Either,
    Every,
    Happened,
    Literal,
    Magic,
    Negation,
    Node,
)
from shared.passes.language.condition_nodes import (
    Test as IsTest,
)
from shared.passes.language.conditions import (
    Condition,
    ConditionError,
    compile_condition,
    parse_condition,
)
from shared.passes.language.state import PassState
from shared.passes.template.compiled import CompiledTemplate
from tests.unit.passes.samples import ANN, a_pass, a_template

POINTS = "structure_headerFields_points_value"

relaxed = settings(max_examples=300, deadline=None)


def holds(
    text: str, values: dict[str, Any] | None = None, *happened: str, **properties: Any
) -> bool:
    template = a_template(properties={"a": None, "b": None, **properties})
    state = a_pass(values, ANN, happened=happened)
    return reading(text, template, state)


def reading(text: str, template: CompiledTemplate, state: PassState) -> bool:
    condition = compile_condition(text, template.path_index)
    return condition.holds(template.expansion(state))


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{a} isEmpty", 0, True),
        ("{a} isEmpty", "0.00", True),
        ("{a} isEmpty", 0.0, True),
        ("{a} isEmpty", False, True),
        ("{a} isEmpty", "", True),
        ("{a} isEmpty", None, True),
        ("{a} isEmpty", " ", False),
        ("{a} isEmpty", "x", False),
        ("{a} isEmpty", -1, False),
        ("{a} isSet", "", True),
        ("{a} isSet", 0, True),
        ("{a} isSet", None, False),
        ("{a} !isSet", None, True),
        ("{a} !!isSet", None, False),
        ("{a}", "x", True),
        ("{a}", "0", False),
        ("!{a}", 0, True),
        ("{a} > 20", 21, True),
        ("{a} > 20", "100", True),
        ("{a} > 20", 20, False),
        ("{a} !> 20", 20, True),
        ("{a} !!> 20", 20, False),
        ("{a} < -1.5", "-2", True),
        ("{a} = 20", "20.0", True),
        ('{a} = "20"', "20.0", False),
        ('{a} = "20"', 20, True),
        ('{a} > "100"', 20, True),
        ('{a} = "007"', "007", True),
        ("{a} = 7", "007", True),
        ("{a} = true", True, True),
        ("{a} = 1", True, True),
        ('{a} = "true"', True, True),
        ('{a} = ""', None, True),
        ("{a} = 0", None, True),
        ("{a} > 20", "many", True),
        ('{a} = "say \\"hi\\""', 'say "hi"', True),
    ],
)
def test_values_are_tested_and_compared(text: str, value: Any, *, expected: bool):
    assert holds(text, {"a": value}) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scanned", True),
        ("registered", False),
        ("!registered AND scanned", True),
        ("registered AND scanned OR installed", True),
        ("installed OR registered AND deleted", True),
        ("(installed OR registered) AND deleted", False),
        ("!(registered OR deleted)", True),
        ("!!scanned", True),
        ("true AND !false", True),
        # The negation denies the comparison, not the value before it.
        ("!3 = 5", True),
        ("!5 = 5", False),
        ("!(3 = 5)", True),
        ("!!3 = 5", False),
        ("!3 = 5 AND scanned", True),
        ("!5 = 5 OR scanned", True),
        ("!scanned AND registered", False),
        ("scanned = true", True),
        ('"a"', True),
        ('""', False),
        ('"0"', True),
        ("0", False),
    ],
)
def test_words_and_precedence(text: str, *, expected: bool):
    assert holds(text, None, "scanned", "installed") is expected


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("{n}>4AND scanned", "a blank is needed between 4 and AND"),
        ("{n} > 1e2", "1e2 is no number"),
        ("{n} = 12345678901234567", "at most 16 digits"),
        ("{n} = 1.2.3", "1.2.3 is no number"),
        ("{n} = 10px", "10px is no number"),
    ],
)
def test_error_says_what_to_write_instead(text: str, advice: str):
    with pytest.raises(ConditionError, match=re.escape(advice)):
        parse_condition(text)


@pytest.mark.parametrize("value", ["false", False, 0, "0", "", None], ids=repr)
def test_what_equals_false_or_nothing_is_empty(value: Any):
    assert holds("{a} isEmpty AND !{a}", {"a": value})
    assert holds('{a} = false OR {a} = ""', {"a": value})


def test_unknown_brackets_are_null():
    assert holds("{nothing} !isSet AND {nothing} isEmpty AND {nothing} = 0")
    condition = compile_condition("{nothing} = {a}", a_template(properties={"a": 1}).path_index)

    assert condition.unknown == ("nothing",)


def test_brackets_hold_whatever_a_text_may_hold():
    assert holds('{member_name} = "Ann" AND {member_points} = 7')
    assert holds('{b} = "Dear Ann"', None, b="Dear {member_name}")
    assert holds('{hashedSerialNumber} = "handle0"')
    assert holds('{b:URLEncoded} = "a%20b"', {"b": "a b"})
    assert holds("{psPassURL} !isSet")


def test_a_text_that_leads_back_to_itself_is_only_a_text():
    assert holds('{a} = "{b}x{b}"', None, a="{b}{b}", b="x{b}") is False
    assert holds("{a} !isEmpty", None, a="{b}", b="{a}")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("scanned AND", 11),
        ("scanned registered", 8),
        ("{a} = = 5", 6),
        ("{a} & 5", 4),
        ('{a} = "open', 6),
        ("(scanned", 8),
        ("scanned)", 7),
        ("{a} isempty", 4),
        ("registeredAND scanned", 0),
        ("5.", 0),
        ("12345678901234567", 0),
        ("{a} = 1 = 2", 8),
    ],
)
def test_error_says_where(text: str, position: int):
    with pytest.raises(ConditionError, match=f"at character {position + 1}: ") as caught:
        parse_condition(text)

    assert caught.value.position == position


@pytest.mark.parametrize(
    "text",
    [
        "scanned OR " * 100 + '"' + "x" * 100 + '"',
        "!" * 17 + "scanned",
        "(" * 17 + "scanned" + ")" * 17,
        "1 OR " * 201 + "1",
    ],
)
def test_conditions_have_limits(text: str):
    with pytest.raises(ConditionError):
        parse_condition(text)


def test_many_alternatives_are_no_depth():
    assert holds("registered OR " * 50 + "scanned", None, "scanned")


def test_condition_prints_as_it_reads():
    condition = compile_condition(
        ' ( scanned )AND{a}!>5 OR!( {b}="a\\"b"  )', a_template().path_index
    )

    assert str(condition) == 'scanned AND {a} !> 5 OR !({b} = "a\\"b")'
    assert condition == compile_condition(str(condition), a_template().path_index)


names = st.sampled_from(["a", "b", "c", "nothing", "member_name"])
literals = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.integers(-(10**6), 10**6),
    st.integers(-1000, 1000).map(lambda number: number / 8),
    st.booleans(),
).map(Literal)
words = st.sampled_from(["registered", "scanned", "deleted", "installed"]).map(Happened)
leaves = literals | names.map(Magic) | words


def over(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        inner.map(Negation),
        st.builds(Comparison, inner, st.sampled_from("=><"), inner, st.booleans()),
        st.builds(IsTest, inner, st.sampled_from(["isEmpty", "isSet"]), st.booleans()),
        several.map(Every),
        several.map(Either),
    )


nodes: st.SearchStrategy[Node] = st.recursive(leaves, over, max_leaves=12)


@relaxed
@given(nodes)
def test_what_is_printed_is_parsed_the_same(node: Node):
    try:
        parsed = parse_condition(str(node))
    except ConditionError as error:
        assert "deeper" in str(error)  # noqa: PT017
        return

    assert parsed == node
    assert str(parsed) == str(node)


@relaxed
@given(st.text(max_size=1100) | st.text('{}ab"\\=<>!() 1.ANDORisEmptyscanned', max_size=60))
def test_no_text_makes_anything_but_a_condition_or_an_error(text: str):
    try:
        condition = compile_condition(text, a_template().path_index)
    except ConditionError as error:
        assert 0 <= error.position <= max(len(text), 1024)  # noqa: PT017
        return

    assert isinstance(condition, Condition)
    if len(str(condition)) <= 1000:
        assert compile_condition(str(condition), a_template().path_index) == condition


def naive(node: Node, values: dict[str, Any], happened: set[str]) -> Any:  # noqa: C901, PLR0911
    """The language read off the issue, as plainly as it can be said."""
    match node:
        case Literal(value):
            return value
        case Magic(name):
            return values.get(name)
        case Happened(word):
            return word in happened
        case Negation(inner):
            return not naive_truth(inner, values, happened)
        case Every(parts):
            return all(naive_truth(part, values, happened) for part in parts)
        case Either(parts):
            return any(naive_truth(part, values, happened) for part in parts)
        case IsTest(operand, test, is_opposite):
            value = number_of_magic(operand, naive(operand, values, happened))
            found = value is not None
            if test == "isEmpty":
                found = value in {None, False, ""}
            return found != is_opposite
        case Comparison(left, comparator, right, is_opposite):
            one, other = naive(left, values, happened), naive(right, values, happened)
            compare = {"=": operator.eq, ">": operator.gt, "<": operator.lt}[comparator]
            numbers = [number_of_magic(left, one), number_of_magic(right, other)]
            if any(isinstance(number, str) for number in numbers):
                return compare(text_of(one), text_of(other)) != is_opposite
            return compare(*(number or 0 for number in numbers)) != is_opposite


def naive_truth(node: Node, values: dict[str, Any], happened: set[str]) -> bool:
    return not naive(IsTest(node, "isEmpty"), values, happened)


def number_of_magic(node: Node, value: Any) -> Any:
    if isinstance(node, Magic) and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


own_values = st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from(["", "0", "7", "x"])


@relaxed
@given(
    nodes,
    st.dictionaries(st.sampled_from("abc"), own_values),
    st.sets(st.sampled_from(["registered", "scanned", "deleted", "installed"])),
)
def test_compiled_means_what_the_language_says(
    node: Node, values: dict[str, Any], happened: set[str]
):
    template = a_template(properties=dict.fromkeys("abc", 5))
    state = a_pass(values, ANN, happened=happened)
    try:
        found = reading(str(node), template, state)
    except ConditionError:
        return

    known = {"a": 5, "b": 5, "c": 5, "member_name": "Ann", **values}
    assert found == naive_truth(node, known, happened)
