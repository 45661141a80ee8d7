"""What is said about a repository: findings, each of one kind, each with what to do next."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from marketplaces.manifest.display import escaped

_PATH_CHARACTERS: Final = 500


class Severity(StrEnum):
    """How much a finding matters; the gravest first."""

    ERROR = "error"  # something is not served
    WARNING = "warning"  # look at it, even if everything is served
    ADVICE = "advice"  # works here, may not work in every client


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in a repository that its author should know. `path` is from the repository's root, escaped."""

    code: str
    severity: Severity
    path: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding. `reason` and `remedy` are templates for `str.format`, filled with the facts of a case."""

    code: str
    severity: Severity
    reason: str
    remedy: str

    def at(self, path: str | bytes, /, **facts: str | bytes | int) -> Finding:
        """Make the finding for one place. Facts may come from the repository: they are escaped and cut."""
        shown = {name: escaped(str(fact) if isinstance(fact, int) else fact) for name, fact in facts.items()}
        return Finding(
            code=self.code,
            severity=self.severity,
            path=escaped(path, _PATH_CHARACTERS) or ".",
            reason=self.reason.format_map(shown),
            remedy=self.remedy.format_map(shown),
        )


Report: TypeAlias = Callable[[Finding], None]


class NotServed(Exception):
    """Carries a finding from where something is refused to where it is left out. Never leaves this package."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.reason)


def gravest(findings: list[Finding], limit: int) -> list[Finding]:
    """Keep each finding once, in order; where there are more than `limit`, errors before warnings before advice."""
    unique = list(dict.fromkeys(findings))
    if len(unique) <= limit:
        return unique
    order = list(Severity)
    return sorted(unique, key=lambda finding: order.index(finding.severity))[:limit]
