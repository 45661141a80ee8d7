#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the proposals of a pay review against the salary bands and the budget.

Reads two CSV files, changes nothing, sends nothing, needs only Python 3.9 or later. Salaries are for a year
and as paid; they are compared with the band after division by `fte` (1.0 is full time). Remarks in capitals
break a rule; the others are for discussion.
Exit codes: 0 done, 1 a proposal breaks a rule or the budget, 2 the input could not be used.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from statistics import median

BAND_FIELDS = ("level", "site", "currency", "minimum", "midpoint", "maximum")
PERSON_FIELDS = ("id", "level", "site", "group", "fte", "salary", "proposed", "last_change")
SMALLEST_GROUP = 5  # a median over fewer people would tell what one of them earns
STALE_DAYS = 730


class UnusableError(Exception):
    """The input cannot be used; the message says where and why."""


@dataclass(frozen=True)
class Band:
    """What one level at one site is paid, full time, a year."""

    currency: str
    minimum: Decimal
    midpoint: Decimal
    maximum: Decimal


@dataclass(frozen=True)
class Person:
    """One row of the review with the band that applies to it."""

    id: str
    band: Band
    group: str
    fte: Decimal
    salary: Decimal
    proposed: Decimal
    last_change: date

    def ratio(self, pay: Decimal) -> Decimal:
        """Give the compa-ratio: full-time pay over the midpoint of the band."""
        return pay / self.fte / self.band.midpoint

    @property
    def increase_percent(self) -> Decimal:
        """Give the proposed increase in per cent of the present salary."""
        return 100 * (self.proposed - self.salary) / self.salary


def read_rows(path: Path, fields: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Read a comma-separated file: each row with its place for error messages."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UnusableError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UnusableError(f"{path} is not UTF-8 text.") from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    absent = [name for name in fields if name not in (reader.fieldnames or [])]
    if absent:
        raise UnusableError(f"{path}: no column {', '.join(absent)}. Expected: {','.join(fields)}")
    return [
        (f"{path}, line {reader.line_num}", {k: (v or "").strip() for k, v in row.items() if k})
        for row in reader
    ]


def amount(place: str, row: dict[str, str], name: str) -> Decimal:
    """Read a positive number."""
    try:
        value = Decimal(row[name])
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0:
        raise UnusableError(f"{place}: {name} {row[name]!r} is not a positive number (write 52500 or 0.8).")
    return value


def day(place: str, text: str) -> date:
    """Read YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UnusableError(f"{place}: {text!r} is not a date (write 2026-04-01).") from None


def read_bands(path: Path) -> dict[tuple[str, str], Band]:
    """Read the bands by (level, site)."""
    bands: dict[tuple[str, str], Band] = {}
    for place, row in read_rows(path, BAND_FIELDS):
        key = (row["level"], row["site"])
        band = Band(row["currency"], *(amount(place, row, name) for name in BAND_FIELDS[3:]))
        if key in bands:
            raise UnusableError(f"{place}: a second band for level {key[0]} in {key[1]}.")
        if not band.minimum < band.midpoint < band.maximum:
            raise UnusableError(f"{place}: minimum, midpoint and maximum must rise.")
        bands[key] = band
    return bands


def read_people(path: Path, bands: dict[tuple[str, str], Band]) -> list[Person]:
    """Read the review sheet; every row needs a band."""
    people = []
    seen: set[str] = set()
    for place, row in read_rows(path, PERSON_FIELDS):
        band = bands.get((row["level"], row["site"]))
        if band is None:
            raise UnusableError(f"{place}: no band for level {row['level']} in {row['site']}.")
        if not row["id"] or row["id"] in seen:
            raise UnusableError(f"{place}: id {row['id']!r} is empty or used twice.")
        seen.add(row["id"])
        fte = amount(place, row, "fte")
        if fte > 1:
            raise UnusableError(f"{place}: fte {fte} is more than full time (80 per cent is 0.8).")
        salary, proposed = amount(place, row, "salary"), amount(place, row, "proposed")
        changed = day(place, row["last_change"])
        people.append(Person(row["id"], band, row["group"], fte, salary, proposed, changed))
    if not people:
        raise UnusableError(f"{path} has no rows.")
    return people


def remarks(person: Person, *, as_of: date, most: Decimal) -> list[str]:
    """Name each rule that the proposal breaks, and each thing to talk about."""
    found = []
    full_time = person.proposed / person.fte
    if full_time < person.band.minimum:
        found.append("BELOW BAND")
    if full_time > person.band.maximum:
        found.append("ABOVE BAND")
    if person.proposed < person.salary:
        found.append("PAY CUT")
    if person.increase_percent > most:
        found.append(f"OVER {most} %")
    if person.proposed == person.salary and (as_of - person.last_change).days > STALE_DAYS:
        found.append("no change for two years")
    return found


def check_budget(people: list[Person], percent: Decimal) -> tuple[list[str], bool]:
    """Compare the sum of increases with the budget, currency by currency."""
    lines, within = [], True
    for currency in sorted({person.band.currency for person in people}):
        members = [person for person in people if person.band.currency == currency]
        payroll = sum(person.salary for person in members)
        spent = sum(person.proposed - person.salary for person in members)
        limit = payroll * percent / 100
        fits = spent <= limit
        within = within and fits
        state = "within budget" if fits else f"OVER BUDGET by {spent - limit:,.0f}"
        lines.append(
            f"- {currency}: {spent:,.0f} of {limit:,.0f} ({100 * spent / payroll:.2f} % of payroll) {state}"
        )
    return lines, within


def compare_groups(people: list[Person]) -> list[str]:
    """Give the median compa-ratio before and after, for groups that are large enough."""
    lines = []
    for group in sorted({person.group for person in people if person.group}):
        members = [person for person in people if person.group == group]
        if len(members) < SMALLEST_GROUP:
            lines.append(f"- {group}: fewer than {SMALLEST_GROUP} people, not shown")
            continue
        before = median(person.ratio(person.salary) for person in members)
        after = median(person.ratio(person.proposed) for person in members)
        lines.append(f"- {group}: {before:.2f} before, {after:.2f} after ({len(members)} people)")
    return lines or ["- no groups given"]


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Check a pay review against the salary bands and the budget."
    )
    parser.add_argument("review", type=Path, help="CSV: " + ",".join(PERSON_FIELDS))
    parser.add_argument("--bands", type=Path, required=True, help="CSV: " + ",".join(BAND_FIELDS))
    parser.add_argument("--as-of", required=True, metavar="YYYY-MM-DD", help="the day the new pay begins")
    parser.add_argument(
        "--budget", default="3.5", metavar="PERCENT", help="of the present payroll (default 3.5)"
    )
    parser.add_argument("--most", default="10", metavar="PERCENT", help="largest increase (default 10)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Check the review named on the command line."""
    options = parse_arguments(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        as_of = day("--as-of", options.as_of)
        most = amount("command line", {"--most": options.most}, "--most")
        budget = amount("command line", {"--budget": options.budget}, "--budget")
        people = read_people(options.review, read_bands(options.bands))
    except UnusableError as error:
        sys.stderr.write(f"check_review: {error}\n")
        return 2
    lines = ["# Pay review check", "", "CONFIDENTIAL. Share with the reviewers of this round only.", ""]
    lines += ["| Id | Increase | Ratio now | Ratio then | Remarks |", "| --- | ---: | ---: | ---: | --- |"]
    broken = False
    for person in people:
        notes = remarks(person, as_of=as_of, most=most)
        broken = broken or any(note.isupper() for note in notes)
        ratios = f"{person.ratio(person.salary):.2f} | {person.ratio(person.proposed):.2f}"
        lines.append(f"| {person.id} | {person.increase_percent:.1f} % | {ratios} | {', '.join(notes)} |")
    budget_lines, within = check_budget(people, budget)
    lines += ["", "## Budget", "", *budget_lines]
    lines += ["", "## Median compa-ratio by group", "", *compare_groups(people)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if broken or not within else 0


if __name__ == "__main__":
    sys.exit(main())
