"""SKILL.md: the frontmatter between its `---` lines."""

import codecs

from marketplaces.manifest import findings
from marketplaces.manifest.json_files import Json
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.report import NotServed, Report
from marketplaces.manifest.yaml_subset import YamlRefused, parse_mapping

_FENCE = "---"


def read_frontmatter(raw: bytes, path: bytes, limits: Limits, report: Report) -> dict[str, Json] | None:
    """Give the frontmatter of a SKILL.md, None when it has none.

    `name`, `version`, `description` and `metadata.version` are always the text that stands there. Raises `NotServed`
    when the file is not UTF-8 or its frontmatter cannot be read.
    """
    text = _text(raw, path, report)
    block = _block(text, path, limits)
    if block is None:
        return None
    try:
        return parse_mapping(block)
    except YamlRefused as error:
        # The first line of the block is the second of the file.
        raise NotServed(findings.FRONTMATTER_INVALID.at(path, line=error.line + 1, why=error.why)) from None


def _text(raw: bytes, path: bytes, report: Report) -> str:
    if raw.startswith(codecs.BOM_UTF8):
        report(findings.BYTE_ORDER_MARK.at(path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NotServed(findings.SKILL_MD_NOT_UTF8.at(path, line=line)) from None
    if "\r\n" in text:
        report(findings.WINDOWS_LINE_ENDS.at(path))
    return text.replace("\r\n", "\n")


def _block(text: str, path: bytes, limits: Limits) -> str | None:
    first, *rest = text.split("\n")
    if first.rstrip() != _FENCE:
        return None
    for number, line in enumerate(rest):
        if line.rstrip() == _FENCE:
            block = "".join(f"{line}\n" for line in rest[:number])
            break
    else:
        raise NotServed(findings.FRONTMATTER_INVALID.at(path, line=1, why="no second line of --- ends it"))
    if len(block.encode()) > limits.frontmatter_bytes:
        why = f"it is larger than {limits.frontmatter_bytes} bytes"
        raise NotServed(findings.FRONTMATTER_INVALID.at(path, line=1, why=why))
    return block
