"""What an entry of marketplace.json and a plugin.json may both say about a plugin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from marketplaces.manifest import findings
from marketplaces.manifest.display import brief, one_line
from marketplaces.manifest.json_files import Json
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.report import Report
from marketplaces.manifest.versions import is_writable

_TEXTS: Final = ("category", "license")
_LISTS: Final = ("tags", "keywords")
_TEXT_CHARACTERS: Final = 200
_ADDRESS_CHARACTERS: Final = 500
_WORDS_IN_LIST: Final = 50


class FieldsInvalid(ValueError):
    """A field that decides what is served cannot be read. `why` says which."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Fields:
    """What is known of a plugin. `skills` are paths as written, None when the key is absent."""

    description: str
    author_version: str
    about: dict[str, Json]
    skills: tuple[str, ...] | None

    def over(self, other: "Fields") -> "Fields":
        """Give these fields, completed from `other` where they say nothing. `skills` stay these."""
        return Fields(
            description=self.description or other.description,
            author_version=self.author_version or other.author_version,
            about={**other.about, **self.about},
            skills=self.skills,
        )


class FieldReader:
    """Reads the fields of one JSON object. What has an unexpected form is left out, with a finding at `path`."""

    def __init__(self, values: Mapping[str, Json], path: str | bytes, owner: str, report: Report) -> None:
        self._values = values
        self._path = path
        self._owner = owner
        self._report = report

    def fields(self, limits: Limits) -> Fields:
        """Read everything, or raise `FieldsInvalid` when `skills` is not a path or a list of paths."""
        return Fields(
            description=self.text("description"),
            author_version=self._version(),
            about=self._about(),
            skills=self._skills(limits),
        )

    def text(self, key: str, limit: int = 2_000) -> str:
        """Give the text under `key` as one line, '' when there is none."""
        value = self._values.get(key)
        if value is None or isinstance(value, str):
            return one_line(value or "", limit)
        self._ignore(key, "it is not a text")
        return ""

    def address(self, key: str) -> str:
        """Give the web address under `key`, '' when there is none."""
        address = self.text(key, _ADDRESS_CHARACTERS)
        # SECURITY: these become links on pages, where `javascript:` would run as the reader.
        if not address or address.startswith(("https://", "http://")):
            return address
        self._ignore(key, "it does not begin with https:// or http://")
        return ""

    def _version(self) -> str:
        version = self._values.get("version", "")
        if version in ("", None):
            return ""
        if isinstance(version, str) and is_writable(version):
            return version
        self._report(findings.VERSION_IGNORED.at(self._path, version=brief(version), owner=self._owner))
        return ""

    def _about(self) -> dict[str, Json]:
        about: dict[str, Json] = {"author": self._author(), "homepage": self.address("homepage")}
        about |= {key: self.text(key, _TEXT_CHARACTERS) for key in _TEXTS}
        about |= {key: self._words(key) for key in _LISTS}
        return {key: value for key, value in about.items() if value}

    def _author(self) -> Json:
        value = self._values.get("author")
        if not isinstance(value, dict):
            return self.text("author", _TEXT_CHARACTERS)
        of_author = FieldReader(value, self._path, f"the author of {self._owner}", self._report)
        author: dict[str, Json] = {key: of_author.text(key, _TEXT_CHARACTERS) for key in ("name", "email")}
        author["url"] = of_author.address("url")
        return {key: value for key, value in author.items() if value}

    def _words(self, key: str) -> Json:
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            self._ignore(key, "it is not a list of texts")
            return []
        return [one_line(str(word), _TEXT_CHARACTERS) for word in value[:_WORDS_IN_LIST]]

    def _skills(self, limits: Limits) -> tuple[str, ...] | None:
        value = self._values.get("skills")
        if value is None:
            return None
        paths = [value] if isinstance(value, str) else value
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise FieldsInvalid("`skills` is not a path or a list of paths")
        if len(paths) > limits.skills:
            raise FieldsInvalid(f"`skills` lists more than {limits.skills} paths")
        return tuple(str(path) for path in paths)

    def _ignore(self, field: str, why: str) -> None:
        self._report(findings.FIELD_IGNORED.at(self._path, field=field, owner=self._owner, why=why))
