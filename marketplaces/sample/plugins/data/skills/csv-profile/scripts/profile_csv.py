#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Profile a CSV file: what each column holds, and what looks wrong.

Reads one file, changes nothing, needs only Python 3.9 or later. Line numbers are those of the file: the
header is line 1.
Exit codes: 0 done, 1 findings were made and --strict was given, 2 the file could not be read.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import statistics
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

MISSING = {"", "-", "\u2013", "?", "na", "n/a", "#n/a", "nan", "nil", "none", "null"}
MISSING |= {"k. a.", "k.a.", "fehlt", "なし", "欠測"}
SENTINELS = {-9999.0, -999.9, -999.0, -99.9, -99.0, 999.9, 9999.0, 99999.0}
CANDIDATE_DELIMITERS = (",", ";", "\t", "|")
SHOWN_LINES = 5
UTC = timezone(timedelta(0))

NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)?|\d{1,3}([., \u00a0\u202f]\d{3})+([.,]\d+)?)([eE][+-]?\d+)?")
NUMBER_WITH_UNIT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*([^\W\d]{1,5}(?:/[^\W\d]{1,3})?|°C|°F|°|%)")
LEADING_ZERO = re.compile(r"0\d+")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
CLOCK = r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?"
DATES = (
    ("YYYY-MM-DD", re.compile(r"(\d{4})-(\d{2})-(\d{2})" + CLOCK + r"(Z|[+-]\d{2}:?\d{2})?"), (0, 1, 2)),
    ("DD.MM.YYYY", re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})" + CLOCK), (2, 1, 0)),
    ("YYYY/MM/DD", re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})" + CLOCK), (0, 1, 2)),
    ("YYYY年MM月DD日", re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日" + CLOCK), (0, 1, 2)),
)
SLASHED = re.compile(r"\d{1,2}/\d{1,2}/\d{4}.*")


class UnreadableError(Exception):
    """The file cannot be profiled; the message says why and what to do."""


@dataclass
class Table:
    """The file as read: rows keep the line on which each ended."""

    encoding: str
    delimiter: str
    line_ends: str
    header: list[str]
    rows: list[tuple[int, list[str]]]
    truncated: bool = False


@dataclass
class Column:
    """One column: its kind, its figures, and what was noticed about it."""

    name: str
    kind: str = "empty"
    filled: int = 0
    missing: int = 0
    distinct: int = 0
    low: str = ""
    middle: str = ""
    high: str = ""
    commonest: list[tuple[str, int]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def decode(raw: bytes, encoding: str | None) -> tuple[str, str]:
    """Give back the text and the encoding that was used."""
    if b"\0" in raw[:4096] and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("This is not a text file. Export the sheet as CSV (UTF-8) and try again.")
    utf16 = ["utf-16"] if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else []
    for name in [encoding] if encoding else [*utf16, "utf-8-sig", "cp1252"]:
        try:
            return raw.decode(name), "utf-8" if name == "utf-8-sig" else name
        except LookupError:
            raise UnreadableError(f"Python knows no encoding named {name!r}.") from None
        except UnicodeDecodeError:
            continue
    tried = encoding or "UTF-8 and Windows-1252"
    raise UnreadableError(
        f"The file is not valid {tried}. Name the encoding with --encoding, for example shift_jis."
    )


def guess_delimiter(text: str) -> str:
    """Choose the delimiter that splits the first lines most evenly into more than one field."""
    sample = text.splitlines(keepends=True)[:100]
    best, best_score = ",", (0.0, 0)
    for delimiter in CANDIDATE_DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter) if row)
        width, rows = widths.most_common(1)[0] if widths else (0, 0)
        score = (rows / max(1, sum(widths.values())), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def name_line_ends(text: str) -> str:
    """Say which line ends the file uses."""
    crlf = text.count("\r\n")
    lone = text.count("\n") - crlf
    if crlf and lone:
        return "mixed"
    return "CRLF" if crlf else "LF"


def read_table(path: Path, *, encoding: str | None, delimiter: str | None, max_rows: int) -> Table:
    """Read the file into memory, at most `max_rows` records."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}.") from None
    text, used = decode(raw, encoding)
    if not text.strip():
        raise UnreadableError(f"{path} is empty.")
    table = Table(used, delimiter or guess_delimiter(text), name_line_ends(text), [], [])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=table.delimiter)
    try:
        for row in reader:
            if not row:
                continue
            if not table.header:
                table.header = [cell.strip() for cell in row]
            elif len(table.rows) == max_rows:
                table.truncated = True
                break
            else:
                table.rows.append((reader.line_num, row))
    except csv.Error as error:
        raise UnreadableError(f"Line {reader.line_num}: {error}.") from None
    return table


def guess_decimal(table: Table) -> tuple[str, bool]:
    """Choose the decimal mark by majority; the flag says that both occur.

    “1,234” may be a grouped thousand, so such values decide only where nothing else does.
    """
    cells = [cell.strip() for _, row in table.rows for cell in row]
    votes = {",": 0, ".": 0}
    for mark, grouping in ((",", "."), (".", ",")):
        sure = re.compile(rf"[+-]?(\d{{1,3}}(\{grouping}\d{{3}})+|\d+)\{mark}(?!\d{{3}}$)\d+")
        votes[mark] = sum(bool(sure.fullmatch(cell)) for cell in cells)
    if not any(votes.values()) and table.delimiter != ",":
        votes[","] = sum(bool(re.fullmatch(r"[+-]?\d{1,3},\d{3}", cell)) for cell in cells)
    return ("," if votes[","] > votes["."] else "."), min(votes.values()) > 0


def to_number(value: str, decimal: str) -> float | None:
    """Read a number written with this decimal mark, or give None."""
    if not NUMBER.fullmatch(value):
        return None
    grouping = "." if decimal == "," else ","
    plain = re.sub(r"[ \u00a0\u202f]", "", value)
    if grouping in plain and not re.fullmatch(rf"[+-]?\d{{1,3}}(\{grouping}\d{{3}})+(\{decimal}\d+)?", plain):
        return None
    try:
        return float(plain.replace(grouping, "").replace(decimal, "."))
    except ValueError:
        return None


def to_moment(value: str) -> tuple[str, datetime | None] | None:
    """Read a date or time stamp: its style and its value (UTC if it names an offset), or None."""
    if SLASHED.fullmatch(value):
        return "D/M/Y or M/D/Y", None
    for style, pattern, order in DATES:
        match = pattern.fullmatch(value)
        if match is None:
            continue
        parts = match.groups()
        year, month, day = (int(parts[index]) for index in order)
        hour, minute, second = (int(part or 0) for part in parts[3:6])
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return None
        offset = parts[6] if len(parts) > 6 else None
        if offset and offset != "Z":
            minutes = int(offset[1:3]) * 60 + int(offset[-2:])
            moment -= timedelta(minutes=minutes if offset[0] == "+" else -minutes)
        return style + (" HH:MM" if parts[3] else "") + (" with offset" if offset else ""), moment
    return None


def some_lines(lines: list[int]) -> str:
    """List a few line numbers and count the rest."""
    shown = ", ".join(str(line) for line in lines[:SHOWN_LINES])
    more = f" and {len(lines) - SHOWN_LINES} more" if len(lines) > SHOWN_LINES else ""
    return f"line{'s' if len(lines) > 1 else ''} {shown}{more}"


def show(number: float) -> str:
    """Write a number shortly, without an exponent for everyday sizes."""
    return f"{number:.6g}" if abs(number) < 1e6 else f"{number:.0f}"


def describe_numbers(column: Column, numbers: list[tuple[int, float]]) -> None:
    """Fill in the figures of a number column; sentinels are named, and left out of the figures."""
    inside = [value for _, value in numbers if value not in SENTINELS]
    outside = {value for value in SENTINELS if not inside or not min(inside) <= value <= max(inside)}
    stand_ins = [(line, value) for line, value in numbers if value in outside]
    kept = [(line, value) for line, value in numbers if value not in outside]
    for sentinel in sorted({value for _, value in stand_ins}):
        lines = [line for line, value in stand_ins if value == sentinel]
        column.findings.append(f"{show(sentinel)} looks like a stand-in for “missing” ({some_lines(lines)})")
    values = sorted(value for _, value in kept)
    if not values:
        return
    column.low, column.high = show(values[0]), show(values[-1])
    column.middle = show(statistics.median(values))
    if len(values) < 12:
        return
    first, _, third = statistics.quantiles(values, n=4)
    reach = 3 * (third - first)
    if reach:
        far = [(line, value) for line, value in kept if not first - reach <= value <= third + reach]
        if far:
            named = ", ".join(show(value) for _, value in far[:SHOWN_LINES])
            column.findings.append(f"far from the rest: {named} ({some_lines([line for line, _ in far])})")


def describe_moments(column: Column, moments: list[tuple[int, str, datetime | None]]) -> None:
    """Fill in the range of a date column; name mixed styles, wrong order and gaps."""
    styles = Counter(style for _, style, _ in moments)
    if len(styles) > 1:
        column.findings.append(
            "several date formats: " + ", ".join(f"{name} in {n}" for name, n in styles.most_common())
        )
    if "D/M/Y or M/D/Y" in styles:
        column.findings.append("day and month cannot be told apart; no range computed")
        return
    known = [(line, moment) for line, _, moment in moments if moment is not None]
    pattern = "%Y-%m-%d %H:%M" if any("HH:MM" in style for style in styles) else "%Y-%m-%d"
    column.low = min(moment for _, moment in known).strftime(pattern)
    column.high = max(moment for _, moment in known).strftime(pattern)
    steps = [(known[i][0], known[i][1] - known[i - 1][1]) for i in range(1, len(known))]
    backwards = [line for line, step in steps if step < timedelta(0)]
    if backwards:
        column.findings.append(f"not in order of time ({some_lines(backwards)})")
        return
    forward = [(line, step) for line, step in steps if step]
    if len(forward) < 10:
        return
    usual, count = Counter(step for _, step in forward).most_common(1)[0]
    gaps = [(line, step) for line, step in forward if step > usual]
    if count * 2 > len(forward) and gaps:
        longest = max(step for _, step in gaps)
        column.findings.append(
            f"gaps: the usual step is {usual}, the longest {longest}"
            f" (before {some_lines([line for line, _ in gaps])})"
        )


def kind_of(value: str, decimal: str) -> str:
    """Name what one value looks like."""
    if to_moment(value):
        return "date"
    if LEADING_ZERO.fullmatch(value):
        return "code"
    if to_number(value, decimal) is not None:
        return "number"
    return "yes/no" if value.casefold() in {"true", "false", "yes", "no", "ja", "nein"} else "text"


def note_odd_values(column: Column, cells: list[tuple[int, str]], kinds: list[str]) -> None:
    """Name the values that do not fit the kind of the column."""
    odd = [cell for index, cell in enumerate(cells) if kinds[index] != column.kind]
    with_unit = [(line, value) for line, value in odd if NUMBER_WITH_UNIT.fullmatch(value)]
    if column.kind == "number" and with_unit:
        named = ", ".join(f"“{value}”" for _, value in with_unit[:SHOWN_LINES])
        column.findings.append(
            f"unit inside the value: {named} ({some_lines([line for line, _ in with_unit])})"
        )
        odd = [cell for cell in odd if cell not in with_unit]
    if odd:
        named = ", ".join(f"“{value[:30]}”" for _, value in odd[:SHOWN_LINES])
        column.findings.append(f"not a {column.kind}: {named} ({some_lines([line for line, _ in odd])})")


def profile_column(
    name: str, cells: list[tuple[int, str]], *, decimal: str, missing: set[str], top: int
) -> Column:
    """Describe one column from its (line, raw value) pairs."""
    column = Column(name)
    padded = [line for line, value in cells if value != value.strip()]
    filled = [(line, value.strip()) for line, value in cells if value.strip().casefold() not in missing]
    column.filled, column.missing = len(filled), len(cells) - len(filled)
    if not filled:
        column.findings.append("empty")
        return column
    counts = Counter(value for _, value in filled)
    column.distinct, column.commonest = len(counts), counts.most_common(top)
    kinds = [kind_of(value, decimal) for _, value in filled]
    if "code" in kinds and len({len(value) for value in counts if value.isdigit()}) == 1:
        kinds = ["code" if value.isdigit() else kinds[index] for index, (_, value) in enumerate(filled)]
    shares = Counter(kinds)
    kind, count = shares.most_common(1)[0]
    column.kind = kind if count >= 0.8 * len(filled) else "text"
    if column.kind == "number":
        note_odd_values(column, filled, kinds)
        read = [(line, to_number(value, decimal)) for line, value in filled]
        describe_numbers(column, [(line, number) for line, number in read if number is not None])
    elif column.kind == "date":
        note_odd_values(column, filled, kinds)
        stamps = [(line, to_moment(value)) for line, value in filled]
        describe_moments(column, [(line, found[0], found[1]) for line, found in stamps if found])
    elif column.kind == "code":
        column.findings.append("leading zeros: keep as text, a spreadsheet would drop them")
    if any(EMAIL.fullmatch(value) for value in counts):
        column.findings.append("holds email addresses: personal data")
    if column.distinct == 1 and column.filled > 1 and not column.missing:
        column.findings.append(f"always “{filled[0][1][:30]}”")
    if column.missing > column.filled:
        column.findings.append(f"{100 * column.missing // len(cells)} % missing")
    if padded:
        column.findings.append(f"spaces around the value ({some_lines(padded)})")
    return column


def check_shape(table: Table, *, both_marks: bool) -> list[str]:
    """Name what is wrong with the file as a whole."""
    findings = []
    if both_marks:
        findings.append("Both “1.5” and “1,5” occur: decide on one decimal mark before you compute anything.")
    if table.line_ends == "mixed":
        findings.append("Line ends are mixed: the file was probably joined from two sources.")
    blank = [str(index + 1) for index, name in enumerate(table.header) if not name]
    if blank:
        findings.append(f"No header in column {', '.join(blank)}.")
    twice = [name for name, count in Counter(table.header).items() if name and count > 1]
    if twice:
        findings.append(f"Header used more than once: {', '.join(twice)}.")
    if all(to_number(name, ".") is not None for name in table.header):
        findings.append("The first line holds only numbers: the header may be missing.")
    uneven = [line for line, row in table.rows if len(row) != len(table.header)]
    if uneven:
        findings.append(f"Not {len(table.header)} fields: {some_lines(uneven)}.")
    seen: dict[tuple[str, ...], int] = {}
    repeats = []
    for line, row in table.rows:
        first = seen.setdefault(tuple(row), line)
        if first != line:
            repeats.append(line)
    if repeats:
        findings.append(f"Repeats an earlier row exactly: {some_lines(repeats)}.")
    if table.truncated:
        findings.append(f"Only the first {len(table.rows)} rows were read (--max-rows).")
    return findings


def profile(table: Table, *, decimal: str | None, extra_missing: list[str], top: int) -> dict[str, Any]:
    """Build the whole report as plain data."""
    guessed, both_marks = guess_decimal(table)
    mark = decimal or guessed
    missing = MISSING | {word.strip().casefold() for word in extra_missing}
    columns = []
    for index, name in enumerate(table.header):
        cells = [(line, row[index] if index < len(row) else "") for line, row in table.rows]
        columns.append(
            profile_column(name or f"column {index + 1}", cells, decimal=mark, missing=missing, top=top)
        )
    return {
        "rows": len(table.rows),
        "columns": [vars(column) for column in columns],
        "encoding": table.encoding,
        "delimiter": table.delimiter,
        "decimal": mark,
        "line_ends": table.line_ends,
        "findings": check_shape(table, both_marks=both_marks),
    }


def escape(text: str) -> str:
    """Keep a value from breaking the Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def as_markdown(name: str, report: dict[str, Any]) -> str:
    """Write the report for people."""
    delimiter = "tab" if report["delimiter"] == "\t" else f"“{report['delimiter']}”"
    facts = [
        f"{report['rows']} rows, {len(report['columns'])} columns",
        f"{report['encoding']}, line ends {report['line_ends']}",
        f"delimiter {delimiter}, decimal mark “{report['decimal']}”",
    ]
    lines = [
        f"# Profile of {name}",
        "",
        " · ".join(facts),
        "",
        "| Column | Kind | Filled | Missing | Distinct | Lowest | Median | Highest | Commonest |",
        "| --- | --- | ---: | ---: | ---: | --- | --- | --- | --- |",
    ]
    for column in report["columns"]:
        common = ", ".join(
            f"{escape(value[:24])} ({count})" for value, count in column["commonest"] if count > 1
        )
        cells = [column[key] for key in ("kind", "filled", "missing", "distinct", "low", "middle", "high")]
        lines.append(
            f"| {escape(column['name'])} | " + " | ".join(str(cell) for cell in cells) + f" | {common} |"
        )
    lines += ["", "## Findings", ""]
    found = [f"- {text}" for text in report["findings"]]
    for column in report["columns"]:
        found += [f"- **{escape(column['name'])}**: {escape(text)}" for text in column["findings"]]
    return "\n".join(lines + (found or ["None."])) + "\n"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Profile a CSV file: what each column holds, and what looks wrong."
    )
    parser.add_argument("file", type=Path, help="the CSV file")
    parser.add_argument("--delimiter", help="field delimiter; guessed if absent (write 'tab' for a tab)")
    parser.add_argument("--decimal", choices=[".", ","], help="decimal mark; guessed if absent")
    parser.add_argument("--encoding", help="text encoding; UTF-8, then Windows-1252 if absent")
    parser.add_argument(
        "--missing", action="append", default=[], metavar="WORD", help="also count WORD as missing"
    )
    parser.add_argument(
        "--top", type=int, default=2, help="how many of the commonest values to show (default 2)"
    )
    parser.add_argument(
        "--max-rows", type=int, default=200_000, help="stop after this many rows (default 200000)"
    )
    parser.add_argument("--format", choices=["md", "json"], default="md", help="Markdown (default) or JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when there are findings")
    options = parser.parse_args(arguments)
    options.delimiter = "\t" if options.delimiter == "tab" else options.delimiter
    if options.delimiter is not None and (len(options.delimiter) != 1 or options.delimiter in '"\r\n '):
        parser.error("--delimiter takes one character that is no quote, space or line end")
    if options.max_rows < 1:
        parser.error("--max-rows must be at least 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Profile the file named on the command line."""
    options = parse_arguments(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        table = read_table(
            options.file, encoding=options.encoding, delimiter=options.delimiter, max_rows=options.max_rows
        )
    except UnreadableError as error:
        sys.stderr.write(f"profile_csv: {error}\n")
        return 2
    report = profile(table, decimal=options.decimal, extra_missing=options.missing, top=options.top)
    if options.format == "json":
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(as_markdown(options.file.name, report))
    found = bool(report["findings"]) or any(column["findings"] for column in report["columns"])
    return 1 if options.strict and found else 0


if __name__ == "__main__":
    sys.exit(main())
