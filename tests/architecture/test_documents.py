"""What documents say of the code, compared with the code."""

import re
from pathlib import Path

from skillport.env import Environment

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented_in_its_own_words() -> None:
    text = (ROOT / "docs" / "operators" / "settings.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", text, re.MULTILINE))
    assert told == {str(field.alias): field.description for field in Environment.model_fields.values()}


def test_every_document_that_is_linked_exists() -> None:
    for document in [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for name in re.findall(r"`((?:connector|marketplaces|skillport|tests)/[\w/.]+\.(?:py|sh))`", text):
        assert (ROOT / name).exists(), name


def test_no_python_module_is_too_long_to_be_one_subject() -> None:
    for package in ("skillport", "marketplaces", "connector"):
        for path in (ROOT / package).rglob("*.py"):
            if "migrations" not in path.parts and "sample" not in path.parts:
                assert len(path.read_text().splitlines()) <= 400, path
