"""JSON as people write it into repositories: strict where leniency would hide something."""

import json
from typing import NoReturn, TypeAlias

from marketplaces.manifest.display import escaped

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class JsonInvalid(ValueError):
    """The bytes are not one JSON value. `why` names line and column where it can."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


def parse_json(raw: bytes) -> Json:
    """Read one JSON value in UTF-8, with or without a byte-order mark, or raise `JsonInvalid`.

    A key that stands twice in one object is refused: readers differ about which of the two counts.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _position(raw, error.start)
        raise JsonInvalid(f"it is not UTF-8 at line {line}, column {column}") from None
    try:
        value: Json = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise JsonInvalid(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except JsonInvalid:
        raise
    except (ValueError, RecursionError):
        raise JsonInvalid("it nests too deeply or has a number that is too long") from None
    return value


def _position(raw: bytes, start: int) -> tuple[int, int]:
    before = raw[:start]
    return before.count(b"\n") + 1, start - before.rfind(b"\n")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for key, value in pairs:
        if key in values:
            raise JsonInvalid(f"the key “{escaped(key)}” stands twice in one object")
        values[key] = value
    return values


def _refuse_constant(constant: str) -> NoReturn:
    raise JsonInvalid(f"{constant} is not JSON")
