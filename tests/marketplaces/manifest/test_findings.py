import re

import pytest

from marketplaces.manifest import findings
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.report import Finding, Kind, Severity, gravest
from tests.marketplaces.manifest.builder import catalog_of, codes

KINDS = {name: kind for name, kind in vars(findings).items() if isinstance(kind, Kind)}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_says_what_happened_and_what_to_do(name):
    kind = KINDS[name]
    assert kind.code == name.lower()
    facts = dict.fromkeys(re.findall(r"{(\w+)}", kind.reason + kind.remedy), "some")
    finding = kind.at("path", **facts)
    assert finding.remedy.endswith(".")
    assert "{" not in finding.reason + finding.remedy


def test_facts_of_a_repository_are_escaped_and_never_templates():
    finding = findings.NAME_COLLIDES.at(b"a\n\xff{0}", other="{other.__class__}\u202e" + "x" * 5_000)
    assert finding.path == "a\\n\\xff{0}"
    assert "{other.__class__}\\u202e" in finding.reason
    assert len(finding.reason) < 400


def test_the_root_is_shown_as_a_dot_and_a_long_path_is_cut():
    assert findings.LINK_ABSOLUTE.at(b"").path == "."
    assert len(findings.LINK_ABSOLUTE.at(b"\xff" * 5_000).path) <= 500


def test_findings_are_said_once_and_the_gravest_are_kept():
    advice, warning, error = (Finding("x", severity, "", "", "") for severity in reversed(Severity))
    assert gravest([advice, warning, advice, error], 3) == [advice, warning, error]
    assert gravest([advice, warning, error], 2) == [error, warning]


def test_a_catalog_has_a_most_of_findings():
    files = {f"tools/con.{number}": "x" for number in range(10)}
    catalog = catalog_of({**files, "x/SKILL.md": "x"}, limits=Limits(findings=5))
    assert codes(catalog) == ["name_refused"] * 5
