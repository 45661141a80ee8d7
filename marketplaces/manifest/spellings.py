"""Paths side by side, as a case-insensitive file system would keep them."""

from marketplaces.manifest.names import folded


class Spellings:
    """The paths taken so far. Each folder and each file has one spelling, and nothing is both."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[str, bool]] = {}
        self._keys: dict[str, str] = {}  # of the folders taken so far: most files are beside others

    def claim(self, path: str) -> str | None:
        """Take `path` and give None, or give the path beside which it cannot be unpacked.

        Folders count as well: `Docs/a` and `docs/b` would end up in one folder, so that whoever lists it afterwards
        finds another path than the one that was served.
        """
        folder, slash, name = path.rpartition("/")
        if folder in self._keys:
            wanted = {f"{self._keys[folder]}{slash}{folded(name)}": (path, True)}
        else:
            wanted = dict(_prefixes(path))
        for key, (text, is_file) in wanted.items():
            other = self._taken.get(key)
            if other is not None and (is_file or other != (text, is_file)):
                return other[0]
        self._taken.update(wanted)
        if folder not in self._keys:
            self._keys[folder] = "/".join(folded(segment) for segment in folder.split("/"))
        return None


def _prefixes(path: str) -> list[tuple[str, tuple[str, bool]]]:
    segments = path.split("/")
    keys = [folded(segment) for segment in segments]
    return [
        ("/".join(keys[:length]), ("/".join(segments[:length]), length == len(segments)))
        for length in range(1, len(segments) + 1)
    ]
