"""Promise 23: no condition and no text with brackets takes longer than 10 ms of a processor."""

import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.passes.language.conditions import ConditionError, compile_condition, parse_condition
from shared.passes.language.rules import MAX_VALUES_BYTES
from shared.passes.language.specials import SPECIAL_WORDS
from shared.passes.language.state import Environment, PassState
from shared.passes.template.compiled import CompiledTemplate, compile_template
from tests.promises.conftest import Figure
from tests.unit.passes.samples import ANN, a_document, a_pass, pass_json

LIMIT_SECONDS: Final = 0.010
MOST: Final = MAX_VALUES_BYTES - 1000
"""About as many characters as all own values of a pass may have together."""
EXAMPLES: Final = 2000
ENVIRONMENT: Final = Environment("https://w.example", "hash,", "42", "9", "tpl")
PATHS: Final = ("a", "b", "c", "structure_headerFields_points_value", "psPassDescription")
NAMES: Final = (*PATHS, *sorted(SPECIAL_WORDS), "unknown", "barcode_message", "member_name")
ENDINGS: Final = ("", ":URLEncoded", ":EscapedQuotes", ":PassScannerConfig", ":", ":Upper")
FOUR: Final = ":URLEncoded:EscapedQuotes:URLEncoded:URLEncoded"

VALUES: Final[dict[str, dict[str, Any]]] = {
    "none": {},
    "known brackets": {"a": "{b}" * (MOST // 3), "b": ""},
    "unknown brackets": {"a": "{x}" * (MOST // 3)},
    "unlike brackets": {"a": "".join(f"{{x{n}}}" for n in range(MOST // 8))},
    "open brackets": {"a": "{" * MOST},
    "one long name": {"a": "{" + "b" * MOST + "}"},
    "colons": {"a": "{b" + ":URLEncoded" * (MOST // 11) + "}", "b": "x"},
    "percent signs": {"a": "%" * MOST},
    "quotes": {"a": '"' * (MOST // 2)},
    "steps": {"a": "{b}" * 5000, "b": "{c}" * 5000, "c": "{structure_headerFields_points_value}"},
    "wide steps": {"a": "{b}{b}" * 4000, "b": "{c}{c}" * 4000, "c": "cc" * 3000},
    "loop": {"a": "{b}" * 5000, "b": "{a}" * 5000},
    "digits": {"a": "1" * MOST, "b": "9" * 300 + "." + "9" * 300},
    "a list": {"beacons": [{"proximityUUID": "{a}" * 1000}] * 5, "a": "{beacons}" * 3000},
}
"""Own values of a pass, by what is hostile in them."""

TEXTS: Final = {
    "one bracket": "{a}",
    "one path over and over": "{a}" * (MOST // 3),
    "an unknown path over and over": "{x}" * (MOST // 3),
    "unknown paths": "".join(f"{{x{n}}}" for n in range(MOST // 8)),
    "transformations": ("{a" + FOUR + "}") * (MOST // 49),
    "colons": "{a" + ":URLEncoded" * (MOST // 11) + "}",
    "open brackets": "{" * MOST,
    "closed brackets": "}" * MOST,
    "empty brackets": "{}" * (MOST // 2),
    "all words": "".join(f"{{{name}}}" for name in NAMES) * 200,
    "scanner": "{psScannerConfigURL:PassScannerConfig}" * 1500,
}

CONDITIONS: Final = {
    "one bracket": "{a}",
    "brackets": " AND ".join(["{a}"] * 100),
    "comparisons": " OR ".join(["{a} = 1"] * 65),
    "comparisons with each other": " OR ".join(["{a} > {b}"] * 65),
    "tests": " AND ".join(["{a} !!isEmpty"] * 50),
    "unknown paths": " OR ".join(f"{{x{n}}}" for n in range(100)),
    "nested": "(" * 15 + "{a}" + ")" * 15,
    "nested too deep": "(" * 511 + "{a}" + ")" * 510,
    "open": "(" * 1024,
    "denials": "!" * 1021 + "{a}",
    "denied comparators": "{a} " + "!" * 1000 + "= 1",
    "denied tests": "{a} " + "!" * 1000 + "isSet",
    "escapes": '"' + '\\"' * 510 + '"',
    "an open text": '"' + "\\\\" * 511,
    "digits": "1" * 1024,
    "points": "1." * 512,
    "signs": "+-" * 512,
    "blanks": " \t" * 510 + "{a}",
    "words without sense": "AND " * 256,
    "colons": "{a" + ":URLEncoded" * 90 + "}",
    "transformations": " OR ".join(["{a" + FOUR + "}"] * 19),
    "too long": "{a} OR " * 100_000,
    "three bytes a character": "\u4e2d" * 1024,
    "no character": "\ud800" * 1024,
}


@pytest.fixture(scope="module")
def template() -> CompiledTemplate:
    skeleton = {"logoText": "{a}", "storeCard": {"backFields": [{"key": "x", "value": "{b}{a}"}]}}
    document = a_document(skeleton, properties={"a": "", "b": "{c}", "c": "{a}"})
    return compile_template(
        document, name="Card", organization="Beans Ltd", environment=ENVIRONMENT
    )


@pytest.fixture(autouse=True, scope="module")
def _warm(template: CompiledTemplate) -> None:
    """Read grammar and tables, which a process does once."""
    parse_condition("{a} = 1 AND !scanned")
    pass_json(template, a_pass())


def seconds_of(act: Callable[[], object]) -> float:
    """Measure the processor's time, and thrice if it was too much: the median."""
    first = _once(act)
    return first if first < LIMIT_SECONDS else median([first, _once(act), _once(act)])


def _once(act: Callable[[], object]) -> float:
    started = time.process_time()
    act()
    return time.process_time() - started


def try_condition(template: CompiledTemplate, text: str, state: PassState) -> float:
    def act() -> None:
        parse_condition.cache_clear()
        with suppress(ConditionError):
            compile_condition(text, template.path_index).holds(template.expansion(state))

    return seconds_of(act)


def try_text(template: CompiledTemplate, text: str, state: PassState) -> float:
    return seconds_of(lambda: template.expand(state, text))


def a_state(values: dict[str, Any]) -> PassState:
    return a_pass(values, ANN, literal=())


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_hostile_conditions_are_refused_or_take_under_10_ms(
    template: CompiledTemplate, values: dict[str, Any], figure: Figure
):
    state = a_state(values)

    took = {name: try_condition(template, text, state) for name, text in CONDITIONS.items()}

    worst.note("conditions", took)
    assert slow(took) == {}
    figure(f"{worst.say('conditions')} of hand-made conditions")


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_hostile_texts_take_under_10_ms(
    template: CompiledTemplate, values: dict[str, Any], figure: Figure
):
    state = a_state(values)

    took = {name: try_text(template, text, state) for name, text in TEXTS.items()}

    worst.note("texts", took)
    assert slow(took) == {}
    figure(f"{worst.say('texts')} of hand-made texts")


pieces = st.one_of(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(ENDINGS), st.sampled_from(ENDINGS)).map(
        lambda found: "{" + "".join(found) + "}"
    ),
    st.sampled_from(["AND", "OR", "!", "=", ">", "<", "(", ")", "isEmpty", "isSet", "scanned"]),
    st.sampled_from(["true", "1", "-0.5", '"', '"x"', "\\", "{", "}", ":", "%", " ", "\n"]),
    st.text(max_size=20),
)
sources = st.tuples(
    st.lists(pieces, max_size=40), st.sampled_from(["", " "]), st.integers(1, 400)
).map(lambda found: (found[1].join(found[0]) + found[1]) * found[2])
"""Texts of pieces that mean something, as often as they may be written after one another."""
operands = st.one_of(
    st.sampled_from(NAMES).map("{{{}}}".format),
    st.sampled_from(["1", "-0.5", '"x"', "true", "scanned", '""']),
)
conditions = st.recursive(
    operands,
    lambda inner: st.one_of(
        inner.map("({})".format),
        inner.map("!({})".format),
        st.tuples(inner, st.sampled_from(["=", "!<", ">"]), inner).map(
            "({0[0]}) {0[1]} ({0[2]})".format
        ),
        inner.map("({}) !isEmpty".format),
        st.tuples(st.sampled_from([" AND ", " OR "]), st.lists(inner, min_size=2, max_size=9)).map(
            lambda found: "(" + found[0].join(found[1]) + ")"
        ),
    ),
    max_leaves=80,
)
"""Conditions that can be read, up to their limits."""
own_values = st.fixed_dictionaries(dict.fromkeys("abc", sources)).map(
    lambda values: {name: text[: MOST // 3] for name, text in values.items()}
)
many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
    ],
)


def test_random_conditions_are_refused_or_take_under_10_ms(
    template: CompiledTemplate, figure: Figure
):
    @many
    @given(text=st.one_of(sources, conditions), values=own_values)
    def check(text: str, values: dict[str, Any]) -> None:
        took = {text[:200]: try_condition(template, text[:1100], a_state(values))}
        worst.note("random conditions", took)
        assert slow(took) == {}

    check()
    figure(f"{worst.say('random conditions')} of {EXAMPLES:,} random conditions")


def test_random_texts_take_under_10_ms(template: CompiledTemplate, figure: Figure):
    @many
    @given(text=sources, values=own_values)
    def check(text: str, values: dict[str, Any]) -> None:
        took = {text[:200]: try_text(template, text[:MOST], a_state(values))}
        worst.note("random texts", took)
        assert slow(took) == {}

    check()
    figure(f"{worst.say('random texts')} of {EXAMPLES:,} random texts")


class Worst:
    """The longest that each kind took, over all tests of it."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def note(self, kind: str, took: dict[str, float]) -> None:
        self._seconds[kind] = max(self._seconds.get(kind, 0.0), *took.values())

    def say(self, kind: str) -> str:
        return f"at most {self._seconds[kind] * 1000:.1f} ms"


worst = Worst()


def slow(took: dict[str, float]) -> dict[str, float]:
    return {name: seconds for name, seconds in took.items() if seconds >= LIMIT_SECONDS}
