"""What a check found: errors keep a template from being saved, warnings do not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Wallet: TypeAlias = Literal["apple", "google"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault; `path` is a JSON path such as $.pass.storeCard.headerFields[0].value."""

    severity: Literal["error", "warning"]
    code: str
    path: str
    detail: str
    wallet: Wallet | None = None
    """The wallet that minds; None: whichever the pass is for."""


@dataclass(slots=True)
class Findings:
    """All that one check found, in the order of the document."""

    entries: list[Finding] = field(default_factory=list[Finding])
    wallet: Wallet | None = None
    """Of what is found."""

    @property
    def errors(self) -> list[Finding]:
        return [entry for entry in self.entries if entry.severity == "error"]

    @property
    def warnings(self) -> list[Finding]:
        return [entry for entry in self.entries if entry.severity == "warning"]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.entries)

    def error(self, code: str, path: str, detail: str) -> None:
        self.entries.append(Finding("error", code, path, detail, self.wallet))

    def warn(self, code: str, path: str, detail: str) -> None:
        self.entries.append(Finding("warning", code, path, detail, self.wallet))

    def as_problem_errors(self) -> list[dict[str, Any]]:
        """Return the errors in the shape of shared.errors.InvalidError."""
        return [{"pointer": entry.path, "detail": entry.detail} for entry in self.errors]
