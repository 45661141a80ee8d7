#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw the timeline of an incident as a small PNG.

Events are given in order as LABEL=HH:MM; a time earlier than the one before it is taken to be on the next
day. The first event begins the incident; the figure below each span is its length, where there is room.
Needs only Python 3.9 or later.

  draw_timeline.py --title "INGEST BACKLOG 2026-03-12 UTC" --output timeline.png \\
      changed=09:12 detected=10:04 mitigated=10:31 resolved=13:20
"""

from __future__ import annotations

import argparse
import re
import struct
import sys
import zlib
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 720, 196, 36
AXIS_Y, SCALE = 132, 2
CELL = 6 * SCALE  # a glyph is 5 x 7 dots, and one dot of space follows
WHITE, INK, GREY, RED, AMBER, BLUE = range(6)
PALETTE = ((255, 255, 255), (27, 30, 35), (226, 223, 215), (174, 42, 34), (240, 185, 90), (26, 88, 184))

# Seven rows of five dots, each row one hexadecimal pair (00 to 1f).
GLYPHS = {
    "A": "0e11111f111111", "B": "1e11111e11111e", "C": "0e11101010110e", "D": "1e11111111111e",
    "E": "1f10101e10101f", "F": "1f10101e101010", "G": "0e11101711110e", "H": "1111111f111111",
    "I": "0e04040404040e", "J": "0702020202120c", "K": "11121418141211", "L": "1010101010101f",
    "M": "111b1515111111", "N": "11191513111111", "O": "0e11111111110e", "P": "1e11111e101010",
    "Q": "0e11111115120d", "R": "1e11111e141211", "S": "0f10100e01011e", "T": "1f040404040404",
    "U": "1111111111110e", "V": "11111111110a04", "W": "1111111515150a", "X": "11110a040a1111",
    "Y": "11110a04040404", "Z": "1f01020408101f", "0": "0e11131519110e", "1": "040c040404040e",
    "2": "0e11010204081f", "3": "1f02040201110e", "4": "02060a121f0202", "5": "1f101e0101110e",
    "6": "0608101e11110e", "7": "1f010204080808", "8": "0e11110e11110e", "9": "0e11110f01020c",
    " ": "00000000000000", "-": "0000001f000000", ".": "00000000000c0c", ":": "000c0c000c0c00",
    ",": "000000000c0408", "/": "00010204081000", "+": "0004041f040400", "(": "02040808080402",
    ")": "08040202020408",
}  # fmt: skip


class Canvas:
    """A picture of palette indexes, one byte a dot."""

    def __init__(self) -> None:
        self.rows = [bytearray(WIDTH) for _ in range(HEIGHT)]

    def box(self, left: int, top: int, width: int, height: int, colour: int) -> None:
        """Fill a rectangle; what lies outside the picture is cut off."""
        left, right = max(0, left), min(WIDTH, left + width)
        for row in self.rows[max(0, top) : top + height]:
            row[left:right] = bytes([colour]) * max(0, right - left)

    def write(self, left: int, top: int, text: str, colour: int) -> None:
        """Write capitals, figures and a few signs."""
        for position, sign in enumerate(text):
            for line, dots in enumerate(bytes.fromhex(GLYPHS[sign])):
                for column in range(5):
                    if dots >> (4 - column) & 1:
                        x = left + position * CELL + column * SCALE
                        self.box(x, top + line * SCALE, SCALE, SCALE, colour)

    def png(self) -> bytes:
        """Encode as an indexed PNG of four bits a dot (PNG specification, section 11.2)."""
        packed = bytearray()
        for row in self.rows:
            packed.append(0)
            packed += bytes(row[i] << 4 | row[i + 1] for i in range(0, WIDTH, 2))
        header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 4, 3, 0, 0, 0)
        palette = bytes(value for colour in PALETTE for value in colour)
        chunks = (
            (b"IHDR", header),
            (b"PLTE", palette),
            (b"IDAT", zlib.compress(bytes(packed), 9)),
            (b"IEND", b""),
        )
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )


def read_events(arguments: list[str]) -> list[tuple[str, int]]:
    """Turn LABEL=HH:MM arguments into (label, minutes since the first midnight)."""
    events: list[tuple[str, int]] = []
    for argument in arguments:
        match = re.fullmatch(r"(.{1,16})=([01]?\d|2[0-3]):([0-5]\d)", argument)
        if match is None:
            raise ValueError(f"{argument!r} is not LABEL=HH:MM with a label of at most 16 characters.")
        minute = int(match.group(2)) * 60 + int(match.group(3))
        while events and minute < events[-1][1]:
            minute += 24 * 60
        events.append((check_text(match.group(1)), minute))
    if not 2 <= len(events) <= 8:
        raise ValueError("Give between two and eight events.")
    if events[0][1] == events[-1][1]:
        raise ValueError("The last event must be later than the first.")
    return events


def check_text(text: str) -> str:
    """Give back the text in capitals, if the drawn alphabet has every sign of it."""
    capitals = text.upper()
    unknown = sorted(set(capitals) - set(GLYPHS))
    if unknown:
        raise ValueError(f"{text!r}: cannot draw {' '.join(unknown)}. Use A-Z, 0-9 and - . : , / + ( ).")
    return capitals


def span(minutes: int) -> str:
    """Write a length of time."""
    hours, rest = divmod(minutes, 60)
    return f"{hours} H {rest:02} MIN" if hours else f"{rest} MIN"


def place_labels(spots: list[int], texts: list[str]) -> list[tuple[int, int]]:
    """Find (x, row) for the labels above the axis, row 0 lowest.

    From the last to the first: an earlier label moves up until no label to its right, and no line down from
    one, is in its way.
    """
    ends = [WIDTH] * 4
    found = []
    for index in reversed(range(len(spots))):
        text = texts[index]
        left = max(4, min(spots[index] - 6, WIDTH - 4 - len(text) * CELL))
        free = [row for row in range(len(ends)) if left + len(text) * CELL <= min(ends[row:])]
        if not free:
            raise ValueError("Too many events close together: leave one out, or shorten the labels.")
        ends[free[0]] = left - CELL // 2
        found.append((left, free[0]))
    return found[::-1]


def draw(title: str, events: list[tuple[str, int]]) -> bytes:
    """Draw title, axis, events and spans."""
    canvas = Canvas()
    canvas.write(MARGIN, 12, title, INK)
    first, last = events[0][1], events[-1][1]
    spots = [MARGIN + round((minute - first) * (WIDTH - 2 * MARGIN) / (last - first)) for _, minute in events]
    colours = [RED] + [AMBER] * (len(events) - 2)
    ends = [0, 0]
    for index, colour in enumerate(colours):
        left, right = spots[index : index + 2]
        canvas.box(left, AXIS_Y - 3, right - left, 6, colour)
        text = span(events[index + 1][1] - events[index][1])
        x = max(4, (left + right - len(text) * CELL) // 2)
        row = 0 if x > ends[0] else 1
        if x > ends[row]:
            ends[row] = x + (len(text) + 1) * CELL
            canvas.write(x, AXIS_Y + 16 + 20 * row, text, INK)
    texts = [f"{minute // 60 % 24:02}:{minute % 60:02} {label}" for label, minute in events]
    for index, (x, row) in enumerate(place_labels(spots, texts)):
        top = AXIS_Y - 28 - 20 * row
        canvas.box(spots[index] - 1, top + 16, 2, AXIS_Y - top - 16, GREY)
        canvas.write(x, top, texts[index], INK)
    for index, spot in enumerate(spots):
        canvas.box(spot - 3, AXIS_Y - 8, 6, 16, BLUE if index + 1 == len(spots) else INK)
    return canvas.png()


def main(arguments: list[str] | None = None) -> int:
    """Draw the events named on the command line."""
    parser = argparse.ArgumentParser(description="Draw the timeline of an incident as a small PNG.")
    parser.add_argument("events", nargs="+", metavar="LABEL=HH:MM", help="two to eight events, in order")
    parser.add_argument("--title", default="TIMELINE", help="heading, at most 54 characters")
    parser.add_argument("--output", type=Path, required=True, help="PNG file to write")
    options = parser.parse_args(arguments)
    if len(options.title) > 54:
        parser.error("--title holds at most 54 characters")
    try:
        options.output.write_bytes(draw(check_text(options.title), read_events(options.events)))
    except ValueError as error:
        sys.stderr.write(f"draw_timeline: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"draw_timeline: {options.output}: {error.strerror}.\n")
        return 2
    sys.stdout.write(f"{options.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
