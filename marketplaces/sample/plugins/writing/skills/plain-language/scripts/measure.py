#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure how hard a text is to read, and point at the places that make it so.

English and German are measured with LIX (words per sentence + per cent of words longer than six letters,
Björnsson 1968): below 40 is easy, above 50 is hard. Japanese is measured by the length of its sentences in
characters.
Reads plain text or Markdown, changes nothing, needs only Python 3.9 or later.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path

WORD_TABLE = Path(__file__).resolve().parent.parent / "references" / "words.md"
LIMITS = {"en": 25, "de": 20, "ja": 60}  # words per sentence; characters for Japanese
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
WORD = re.compile(r"[^\W\d_]+(?:[-'\u2019][^\W\d_]+)*")
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”»“)\]]*\s+|(?<=[。\uff01\uff1f])")
ABBREVIATION = re.compile(
    r"\b(e\.g|i\.e|etc|approx|No|Dr|z\. ?B|d\. ?h|u\. ?a|bzw|ca|Nr|vgl|usw)\.", re.IGNORECASE
)
GERMAN_HINT = re.compile(r"\b(der|die|das|und|nicht|ist|sie|wir|für|mit|werden|eine?)\b", re.IGNORECASE)
ENGLISH_HINT = re.compile(r"\b(the|and|of|to|is|not|you|we|for|with|are|an?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Sentence:
    """One sentence and the line its paragraph begins on."""

    line: int
    text: str

    def length(self, language: str) -> int:
        """Count words, or characters in Japanese."""
        return len(re.sub(r"\s", "", self.text)) if language == "ja" else len(WORD.findall(self.text))


def paragraphs(text: str) -> list[tuple[int, str]]:
    """Split into (first line, text) blocks; code, tables, front matter and Markdown signs are left out."""
    blocks: list[tuple[int, str]] = []
    fenced, fresh = False, True
    lines = text.splitlines()
    start = lines.index("---", 1) + 1 if lines[:1] == ["---"] and "---" in lines[1:] else 0
    for number, line in enumerate(lines[start:], start + 1):
        stripped = re.sub(r"^(>\s*)+", "", line.strip())
        if stripped.startswith(("```", "~~~")):
            fenced, fresh = not fenced, True
            continue
        if fenced or not stripped or stripped.startswith(("|", "<!--")):
            fresh = True
            continue
        begins = re.match(r"(#{1,6}|[-*+]|\d+[.)])\s+", stripped)
        heading = stripped.startswith("#")
        plain = re.sub(
            r"!?\[([^\]]*)\]\([^)]*\)|[*`]+", r"\1", stripped[begins.end() :] if begins else stripped
        )
        if fresh or begins:
            blocks.append((number, plain))
        else:
            blocks[-1] = (blocks[-1][0], f"{blocks[-1][1]} {plain}")
        fresh = heading
    return blocks


def sentences(text: str) -> list[Sentence]:
    """Cut the blocks into sentences; the points of common abbreviations do not end one."""
    found = []
    for line, block in paragraphs(text):
        shielded = ABBREVIATION.sub(lambda match: match.group().replace(".", "\u2024"), block)
        parts = [part.replace("\u2024", ".").strip() for part in SENTENCE_END.split(shielded) if part]
        found += [Sentence(line, part) for part in parts if WORD.search(part)]
    return found


def guess_language(text: str) -> str:
    """Choose between Japanese, German and English."""
    letters = len(WORD.findall(text))
    if len(JAPANESE.findall(text)) > letters:
        return "ja"
    return "de" if len(GERMAN_HINT.findall(text)) > len(ENGLISH_HINT.findall(text)) else "en"


def read_word_table(path: Path, language: str) -> list[tuple[str, str]]:
    """Read the (avoid, use) rows below the heading of this language."""
    rows: list[tuple[str, str]] = []
    active = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            active = line.rstrip().endswith(f"({language})")
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if active and line.startswith("|") and len(cells) >= 2 and not re.fullmatch(r"-+", cells[0]):
            rows.append((cells[0], cells[1]))
    return rows[1:]


def find_words(text: str, rows: list[tuple[str, str]], language: str) -> list[str]:
    """Name each word of the table that the text uses, with the lines on which its paragraphs begin."""
    blocks = paragraphs(text)
    hits = []
    for avoid, use in rows:
        edge = "" if language == "ja" else r"\b"
        pattern = re.compile(edge + re.escape(avoid) + edge, re.IGNORECASE)
        lines = [line for line, block in blocks if pattern.search(block)]
        if lines:
            hits.append(f"“{avoid}” → {use} (paragraph at line {', '.join(map(str, lines))})")
    return hits


def verdict(lix: float) -> str:
    """Name a LIX value in words."""
    for limit, name in ((30, "very easy"), (40, "easy"), (50, "medium"), (60, "hard")):
        if lix < limit:
            return name
    return "very hard"


def report(text: str, language: str, rows: list[tuple[str, str]], worst: int) -> str:
    """Write the whole report."""
    found = sentences(text)
    if not found:
        return "No sentences found.\n"
    unit = "characters" if language == "ja" else "words"
    lengths = [sentence.length(language) for sentence in found]
    lines = [
        f"Language: {language}",
        f"Sentences: {len(found)}, {sum(lengths) / len(found):.1f} {unit} on average",
    ]
    if language != "ja":
        words = [word for sentence in found for word in WORD.findall(sentence.text)]
        share = 100 * sum(len(word) > 6 for word in words) / len(words)
        lix = len(words) / len(found) + share
        lines.append(f"LIX: {lix:.0f} ({verdict(lix)}; {share:.0f} % long words)")
    limit = LIMITS[language]
    too_long = sorted((s for s in found if s.length(language) > limit), key=lambda s: -s.length(language))
    lines += ["", f"Sentences over {limit} {unit}: {len(too_long)}"]
    lines += [f"- line {s.line}, {s.length(language)} {unit}: {s.text[:100]}" for s in too_long[:worst]]
    hits = find_words(text, rows, language)
    lines += ["", f"Words with a plainer choice: {len(hits)}"]
    lines += [f"- {hit}" for hit in hits]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure the file named on the command line, or standard input."""
    parser = argparse.ArgumentParser(description="Measure how hard a text is to read.")
    parser.add_argument("file", help="text or Markdown file (UTF-8); - reads standard input")
    parser.add_argument("--language", choices=sorted(LIMITS), help="guessed if absent")
    parser.add_argument("--words", type=Path, default=WORD_TABLE, help="table of words to avoid (Markdown)")
    parser.add_argument("--worst", type=int, default=5, help="how many long sentences to show (default 5)")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        raw = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
        text = raw.decode("utf-8-sig")
        language = options.language or guess_language(text)
        rows = read_word_table(options.words, language)
    except OSError as error:
        sys.stderr.write(f"measure: {error.filename}: {error.strerror}.\n")
        return 2
    except UnicodeDecodeError:
        sys.stderr.write(f"measure: {options.file} is not UTF-8 text. Save it as UTF-8 and try again.\n")
        return 2
    sys.stdout.write(report(text, language, rows, options.worst))
    return 0


if __name__ == "__main__":
    sys.exit(main())
