"""What no template may hold: script or style of its own, a way around escaping, a word that means something else here."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPLATES = [
    path
    for package in ("skillport", "marketplaces", "connector")
    for path in (ROOT / package).rglob("*.html")
    if "sample" not in path.parts
]
MODULES = [
    path for package in ("skillport", "marketplaces", "connector") for path in (ROOT / package).rglob("*.py")
]


def test_no_template_has_script_or_style_of_its_own() -> None:
    """The content-security policy would block it, silently for whoever looks at the page."""
    inline = re.compile(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
    assert [path.name for path in TEMPLATES if inline.search(path.read_text())] == []
    assert len(TEMPLATES) > 30


def test_nothing_goes_around_escaping() -> None:
    around = re.compile(r"\|\s*safe\b|autoescape|safeseq")
    assert [path.name for path in TEMPLATES if around.search(path.read_text())] == []
    trusting = {
        str(path.relative_to(ROOT))
        for path in MODULES
        if re.search(r"mark_safe|SafeString\(", path.read_text())
    }
    assert trusting == {"skillport/sign_in/adapters.py"}, (
        "it draws a QR code, which is markup of our own making"
    )


def test_every_form_that_changes_something_carries_its_token() -> None:
    for path in TEMPLATES:
        for form in re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(), re.DOTALL):
            assert "{% csrf_token %}" in form, path


def test_pages_use_our_words() -> None:
    others = re.compile(r"\b(tenant|workspace|repo|team)s?\b", re.IGNORECASE)
    told = {
        path: re.sub(r"{[{%#].*?[}%#]}|<[^>]*>", " ", path.read_text(), flags=re.DOTALL) for path in TEMPLATES
    }
    assert [path.name for path, text in told.items() if others.search(text)] == []


def test_every_icon_that_is_drawn_is_there_and_no_other() -> None:
    drawn = {name for path in TEMPLATES for name in re.findall(r'{% icon "([\w-]+)" %}', path.read_text())}
    kept = (ROOT / "skillport" / "static" / "skillport" / "icons.svg").read_text()
    assert set(re.findall(r'<symbol id="([\w-]+)"', kept)) == drawn


def test_every_class_that_is_styled_is_used_and_every_used_one_is_styled() -> None:
    css = (ROOT / "skillport" / "static" / "skillport" / "app.css").read_text()
    rules = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    styled = set(re.findall(r"\.([a-z][\w-]*)(?=[\s.,:{)>\[])", rules))
    text = "\n".join(re.sub(r"{[{%].*?[%}]}", " ", path.read_text()) for path in TEMPLATES)
    used = {name for value in re.findall(r'class="([^"]*)"', text) for name in value.split()}
    # The icon's class comes from its tag, the levels of messages from Django.
    assert styled == used | {"icon", "success", "error"}
