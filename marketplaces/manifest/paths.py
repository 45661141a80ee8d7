"""Folders that a manifest names by a relative path."""

from marketplaces.manifest.names import NameRefused, checked_path


class SourceRefused(ValueError):
    """The text does not name a folder of the same repository. `why` continues a sentence that begins with it."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


def folder_of(source: str, base: str = "") -> str:
    """Give the folder that a relative path names, '' for the root; or raise `SourceRefused`.

    `./x` is meant from the root; a bare `x` is below `base`.
    """
    if not source:
        raise SourceRefused("is empty")
    bare = not (source == "." or source.startswith("./"))
    segments = _segments(base) + _segments(source) if bare and base else _segments(source)
    if not segments:
        return ""
    try:
        # An escape in JSON may stand for half a character; as bytes that is not UTF-8, and refused as such.
        return checked_path("/".join(segments).encode("utf-8", "surrogatepass"))
    except NameRefused as refusal:
        raise SourceRefused(refusal.why) from None


def _segments(path: str) -> list[str]:
    if path.startswith(("/", "~")):
        raise SourceRefused("is not a relative path")
    if "://" in path:
        raise SourceRefused("is an address, not a folder")
    return [segment for segment in path.split("/") if segment not in {"", "."}]
