"""YAML as frontmatter needs it: what every reader understands alike, and nothing that can grow or run.

No anchors, aliases or tags, no key twice, at most eight levels. Plain scalars follow the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema) without its octal, hexadecimal, infinite and undefined numbers: `no`,
`190:20:30` and `2026-11-22` are texts. The result is always JSON that PostgreSQL can keep.
"""

import math
import re
from typing import Final

import yaml

from marketplaces.manifest.json_files import Json

_DEPTH: Final = 8
_INT: Final = re.compile(r"[-+]?[0-9]{1,15}")  # exact in every JSON reader; longer ones stay text
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys(["null", "Null", "NULL", "~", ""], None),
}
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

# Scalars that people read as text whatever they look like: version 1.10 is not the number 1.1.
_LITERAL: Final = {("name",), ("version",), ("description",), ("metadata", "version")}


class YamlRefused(ValueError):
    """The text is not YAML of this kind. `line` counts from 1 at the beginning of the text."""

    def __init__(self, why: str, line: int) -> None:
        self.why = why
        self.line = line
        super().__init__(f"line {line}: {why}")


def parse_mapping(text: str) -> dict[str, Json]:
    """Read a YAML mapping, or raise `YamlRefused`. Text without any content is an empty mapping."""
    try:
        return _Document(text).mapping()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlRefused(error.problem or "it is not YAML", mark.line + 1 if mark else 1) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlRefused("it has a character that YAML does not allow", line) from None
    except (ValueError, OverflowError) as error:
        if isinstance(error, YamlRefused):
            raise
        # PyYAML lets through what `int` and `chr` make of an escape or directive with too large a number.
        raise YamlRefused("it has an escape or a directive with a number that is too large", 1) from None


class _Document:
    """One YAML document, built from parser events as they come: nothing is composed that was not first allowed."""

    def __init__(self, text: str) -> None:
        # SECURITY: the pure-Python loader. CSafeLoader ends the whole process at 50,000 nested brackets.
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)

    def mapping(self) -> dict[str, Json]:
        self._next()  # the stream starts
        if isinstance(self._next(), yaml.StreamEndEvent):
            return {}
        event = self._next()
        value = self._value(event, ())
        self._next()  # the document ends
        if not isinstance(after := self._next(), yaml.StreamEndEvent):
            raise YamlRefused("it holds more than one document", _line(after))
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise YamlRefused("it is not made of keys with values", _line(event))
        return value

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _value(self, event: yaml.Event, path: tuple[str, ...]) -> Json:
        _check(event, len(path))
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, literal=path in _LITERAL)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _sequence(self, path: tuple[str, ...]) -> Json:
        values: list[Json] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            values.append(self._value(event, (*path, "")))
        return values

    def _mapping(self, path: tuple[str, ...]) -> Json:
        values: dict[str, Json] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            _check(event, len(path))
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlRefused("a key is not a plain text", _line(event))
            key = _storable(event)
            if key in values:
                raise YamlRefused(f"the key “{key}” stands twice", _line(event))
            values[key] = self._value(self._next(), (*path, key))
        return values


def _check(event: yaml.Event, depth: int) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise YamlRefused(
            "anchors and aliases (& and *) are not allowed; quote a text that begins with one", _line(event)
        )
    if getattr(event, "tag", None) is not None:
        raise YamlRefused("tags (!) are not allowed; quote a text that begins with one", _line(event))
    if depth >= _DEPTH and isinstance(event, yaml.CollectionStartEvent):
        raise YamlRefused(f"it nests more than {_DEPTH} levels deep", _line(event))


def _scalar(event: yaml.ScalarEvent, *, literal: bool) -> Json:
    text = _storable(event)
    if literal or event.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def _storable(event: yaml.ScalarEvent) -> str:
    if _UNSTORABLE.search(event.value):
        raise YamlRefused("an escape stands for NUL or for half a character", _line(event))
    return event.value


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
