from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as some

from shared.passes.styles.choice import chosen_style, named_by
from shared.passes.styles.groups import StyleGroup, StyleRule, check_group, choose

BRONZE, SILVER, GOLD, TIERS, OTHERS = (UUID(int=number) for number in range(1, 6))
NONE = None, None


def a_rule(style: UUID | int, least: int, most: int | None) -> StyleRule:
    style_id = UUID(int=style) if isinstance(style, int) else style
    return StyleRule(style_id=style_id, min_points=least, max_points=most)


@some.composite
def some_rules(draw: some.DrawFn) -> list[StyleRule]:
    ends = some.tuples(some.integers(-50, 50), some.none() | some.integers(0, 40))
    return [
        a_rule(style, least, None if length is None else least + length)
        for style, (least, length) in draw(
            some.lists(some.tuples(some.integers(1, 9), ends), min_size=1, max_size=8)
        )
    ]


RULES = some_rules()
LADDER = [a_rule(BRONZE, 0, 100), a_rule(SILVER, 101, 200), a_rule(GOLD, 300, None)]


def test_both_ends_of_a_rule_belong_to_it():
    assert [choose(LADDER, points) for points in (0, 100, 101, 200, 300)] == [
        BRONZE, BRONZE, SILVER, SILVER, GOLD,
    ]  # fmt: skip


def test_a_gap_belongs_to_the_rule_below_it():
    assert choose(LADDER, 250) == SILVER


def test_below_all_rules_the_lowest_takes_the_points():
    assert choose(LADDER, -1) == BRONZE
    assert choose(LADDER[::-1], -1) == BRONZE


def test_above_all_rules_the_highest_takes_the_points():
    assert choose(LADDER[:2], 10**9) == SILVER


@given(RULES, some.integers(-100, 100))
def test_the_first_rule_that_takes_the_points_chooses(rules: list[StyleRule], points: int):
    taking = [rule.style_id for rule in rules if rule.takes(points)]

    chosen = choose(rules, points)

    assert chosen == taking[0] if taking else chosen in {rule.style_id for rule in rules}


@given(RULES, some.integers(-100, 100))
def test_no_rule_lies_between_a_gap_and_the_rule_that_takes_it(rules: list[StyleRule], points: int):
    below = [r.max_points for r in rules if r.max_points is not None and r.max_points < points]
    if not any(rule.takes(points) for rule in rules) and below:
        nearest = {rule.style_id for rule in rules if rule.max_points == max(below)}
        assert choose(rules, points) in nearest


def test_an_inverted_rule_is_an_error_and_an_overlap_a_warning():
    rules = [a_rule(BRONZE, 0, 100), a_rule(SILVER, 100, 200), a_rule(GOLD, 300, 299)]

    findings = check_group(StyleGroup(name="Tiers", rules=rules))

    assert [finding.path for finding in findings.warnings] == ["$.rules[1]"]
    assert [finding.path for finding in findings.errors] == ["$.rules[2].max_points"]


def choice(
    own: tuple[UUID | None, UUID | None] = NONE,
    member: dict[str, Any] | None = None,
    template: tuple[UUID | None, UUID | None] = NONE,
    styles: frozenset[UUID] = frozenset({BRONZE, SILVER, GOLD}),
) -> UUID | None:
    groups = {TIERS: LADDER, OTHERS: [a_rule(GOLD, 0, None)]}
    return chosen_style(named_by(own, member, template), member, groups, styles)


def test_who_is_nearer_to_the_pass_goes_first_and_groups_before_styles():
    member = {"points": 150, "style_id": str(GOLD), "style_group_id": str(TIERS)}
    template = (BRONZE, OTHERS)

    assert choice((BRONZE, TIERS), member, template) == SILVER
    assert choice((BRONZE, None), member, template) == BRONZE
    assert choice(NONE, member, template) == SILVER
    assert choice(NONE, {"points": 150, "style_id": str(BRONZE)}, template) == BRONZE
    assert choice(NONE, {"points": 150}, template) == GOLD
    assert choice(NONE, None, (BRONZE, None)) == BRONZE
    assert choice() is None


def test_a_pass_without_a_member_has_no_points():
    assert choice((None, TIERS)) == BRONZE


def test_what_was_deleted_is_passed_over():
    member = {"points": 150, "style_group_id": str(TIERS)}

    assert choice(NONE, member, (BRONZE, None), frozenset({BRONZE})) == BRONZE
    assert choice((UUID(int=99), None), None, (SILVER, None)) == SILVER
