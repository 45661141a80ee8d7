"""Domains on pages."""

import re

from skillport.organizations.models import VerifiedDomain
from skillport.scoping import within
from tests.name_server import NameServer
from tests.skillport.organizations.pages.conftest import Pages, People


def domains(people: People) -> list[VerifiedDomain]:
    with within(people.acme):
        return list(VerifiedDomain.objects.for_organization(people.acme).order_by("domain"))


def test_a_domain_is_added_proved_by_its_record_and_released(
    people: People, alice: Pages, name_server: NameServer
) -> None:
    assert "There is no domain yet." in alice.says("settings/sign-in/domains/")
    shown = alice.told_after("settings/sign-in/domains/add/", domain="Acme.Example")
    assert "_skillport.acme.example" in shown
    assert "waits for its record" in shown
    record = re.search(r'id="record" value="([^"]+)"', shown)
    assert record
    page = f"settings/sign-in/domains/{domains(people)[0].pk}/"
    assert "There is no TXT record there at all." in alice.told_after(f"{page}verify/")
    name_server.texts["_skillport.acme.example"] = [record[1]]
    assert "the domain is yours" in alice.told_after(f"{page}verify/")
    assert ">verified<" in alice.says("settings/sign-in/domains/")
    assert "Another organization of this deployment may then prove" in alice.says(f"{page}release/")
    assert "is not yours here any more" in alice.told_after(f"{page}release/")
    assert domains(people) == []


def test_what_is_no_domain_is_refused_in_the_form(people: People, alice: Pages) -> None:
    for wrong in ("gmail.com", "a b", "alice@acme.example", "127.0.0.1", ""):
        alice.refused("settings/sign-in/domains/add/", domain=wrong)
    alice.told_after("settings/sign-in/domains/add/", domain="acme.example")
    alice.refused("settings/sign-in/domains/add/", domain="ACME.example")
    assert len(domains(people)) == 1


def test_a_lapsed_domain_says_what_that_means(people: People, alice: Pages) -> None:
    with within(people.acme):
        row = VerifiedDomain.objects.create(
            organization=people.acme, domain="acme.example", challenge="x", verified_at=people.acme.created_at,
            lapsed_at=people.acme.created_at,
        )  # fmt: skip
    assert "lapsed: lets nobody in" in alice.says("settings/sign-in/domains/")
    assert "Nobody new is let in by this domain" in alice.says(f"settings/sign-in/domains/{row.pk}/")


def test_what_stands_in_the_dns_is_text(people: People, alice: Pages, name_server: NameServer) -> None:
    alice.told_after("settings/sign-in/domains/add/", domain="acme.example")
    name_server.texts["acme.example"] = ["<script>alert(1)</script>"]
    shown = alice.told_after(f"settings/sign-in/domains/{domains(people)[0].pk}/verify/")
    assert "&lt;script&gt;" in shown
    assert "<script>alert" not in shown
