"""Style groups: which of several styles a pass has, by the points of its member."""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.passes.language.actions import MAX_POINTS
from shared.passes.schema.findings import Findings

MAX_RULES: Final = 100

Points = Annotated[int, Field(strict=True, ge=-MAX_POINTS, le=MAX_POINTS)]


class StyleRule(BaseModel):
    """From how many points to how many a style is chosen, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    style_id: UUID
    min_points: Points
    max_points: Points | None = Field(None, description="Null: there is no end.")

    def takes(self, points: int) -> bool:
        return self.min_points <= points and (self.max_points is None or points <= self.max_points)


class StyleGroup(BaseModel):
    """Rules of which the first that takes the points chooses the style.

    In a gap it is the nearest rule below, under all of them the lowest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200, examples=["Tier colours"])
    rules: list[StyleRule] = Field(min_length=1, max_length=MAX_RULES)


def choose(rules: Sequence[StyleRule], points: int) -> UUID:
    """Return the style for so many points; there is always one."""
    for rule in rules:
        if rule.takes(points):
            return rule.style_id
    below = [rule for rule in rules if rule.max_points is not None and rule.max_points < points]
    if below:
        return max(below, key=lambda rule: rule.max_points or 0).style_id
    return min(rules, key=lambda rule: rule.min_points).style_id


def check_group(group: StyleGroup) -> Findings:
    """Find rules that end before they begin, and warn of those that overlap one before."""
    findings = Findings()
    for at, rule in enumerate(group.rules):
        if _end(rule) < rule.min_points:
            path = f"$.rules[{at}].max_points"
            findings.error("points", path, "must not be less than min_points")
        for before, earlier in enumerate(group.rules[:at]):
            if earlier.min_points <= _end(rule) and rule.min_points <= _end(earlier):
                detail = f"overlaps rule {before}, which goes first where both take the points"
                findings.warn("overlap", f"$.rules[{at}]", detail)
    return findings


def _end(rule: StyleRule) -> int:
    return MAX_POINTS if rule.max_points is None else rule.max_points
