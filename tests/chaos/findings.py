"""What a case expected and what came."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of a case."""

    what: str
    expected: str
    got: str
    passed: bool


@dataclass(slots=True)
class Findings:
    """The checks of one case, in the order in which they were made, and counts beside them."""

    checks: list[Finding] = field(default_factory=list)
    # What attackers were answered, and frames by their outcome: to read, not to judge.
    notes: dict[str, int] = field(default_factory=dict)

    def at_most(self, what: str, got: float, limit: float, unit: str = "") -> None:
        """`got` must not be over `limit`."""
        self.checks.append(
            Finding(what, f"at most {limit:g} {unit}".strip(), f"{got:.4g} {unit}".strip(), got <= limit)
        )

    def equal(self, what: str, got: object, expected: object) -> None:
        """`got` must be `expected`."""
        self.checks.append(Finding(what, repr(expected), repr(got), got == expected))

    def holds(self, what: str, passed: bool, *, expected: str, got: str) -> None:
        """A check whose two sides are said in words."""
        self.checks.append(Finding(what, expected, got, passed))

    @property
    def passed(self) -> bool:
        """True where every check passed. A case without checks has not passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)
