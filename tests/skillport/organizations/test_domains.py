"""Domains, proved by a real answer of a real name server: claimed, verified, lapsed, returned, released."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.errors import NotFound
from skillport.organizations.models import Admission, AdmissionRule, By, VerifiedDomain
from skillport.organizations.services import domain_checks, domains
from skillport.organizations.services.admission_rules import add_rule
from skillport.organizations.services.connections import accept_google
from skillport.organizations.services.domain_checks import check_due_domains
from skillport.organizations.services.domains import (
    Domain,
    DomainClaimed,
    DomainHeld,
    DomainRefused,
    RecordMissing,
    State,
)
from skillport.permissions import NotAllowed, StepUpRequired
from skillport.principal import Door, Principal, Role
from skillport.scoping import within
from skillport.txt_records import NameServer as Server
from skillport.txt_records import NameServerSilent, txt_records
from tests.cast import Cast
from tests.name_server import NameServer
from tests.skillport.organizations.moments import NOON

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def claim(who: Principal, domain: str = "acme.example") -> Domain:
    return domains.claim_domain(principal=who, domain=domain, now=NOON)


def verified(who: Principal, name_server: NameServer, domain: str = "acme.example") -> Domain:
    made = claim(who, domain)
    name_server.texts.setdefault(domain, []).append(made.record_text)
    return domains.verify_domain(principal=who, domain_id=made.id, now=NOON)


def shown(who: Principal, domain_id: UUID) -> Domain:
    return domains.get_domain(principal=who, domain_id=domain_id)


def actions(who: Principal) -> list[str]:
    with within(who.organization):
        events = AuditEvent.objects.for_organization(who.organization).filter(action__startswith="domain:")
        return list(events.order_by("id").values_list("action", flat=True))


# --- claiming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Acme.Example. ", "acme.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("ACME.example", "acme.example"),
    ],
)
def test_a_domain_is_kept_as_the_dns_has_it(cast: Cast, typed: str, kept: str) -> None:
    made = claim(cast.alice, typed)
    assert (made.domain, made.state) == (kept, State.WAITING)
    assert made.record_names == (f"_skillport.{kept}", kept)
    with pytest.raises(DomainClaimed):
        claim(cast.alice, kept)


@pytest.mark.parametrize(
    "typed",
    ["", "acme", "192.0.2.1", "2001:db8::1", "1.2.3.4.5", "gmail.com", "GMail.com.", "alice@acme.example", "a b.example",
     "https://acme.example", "acme.example/", "*.acme.example", "-acme.example", "acme..example", "_x.acme.example",
     "x" * 64 + ".example", ".".join(["x" * 60] * 4) + ".example", "acme.example\n.org", "a\x00.example"],
)  # fmt: skip
def test_what_is_no_domain_of_an_organization_is_refused(cast: Cast, typed: str) -> None:
    with pytest.raises(DomainRefused):
        claim(cast.alice, typed)
    assert domains.list_domains(principal=cast.alice) == []


def test_there_is_an_end_to_how_many_domains_there_are(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "MOST_DOMAINS", 1)
    claim(cast.alice)
    with pytest.raises(DomainRefused, match="at most 1"):
        claim(cast.alice, "other.example")


def test_only_owners_who_have_just_confirmed_who_they_are_claim_and_release(cast: Cast) -> None:
    made = claim(cast.alice)
    at_a_browser = replace(cast.alice, door=Door.PAGE, confirmed_at=NOON - 11 * timedelta(minutes=1))
    admin = replace(cast.bob, role=Role.ADMIN)
    for who, fault in [(at_a_browser, StepUpRequired), (admin, NotAllowed)]:
        with pytest.raises(fault):
            claim(who, "other.example")
        with pytest.raises(fault):
            domains.release_domain(principal=who, domain_id=made.id, now=NOON)
    with pytest.raises(NotAllowed):
        domains.list_domains(principal=admin)
    with pytest.raises(NotAllowed):
        domains.verify_domain(principal=admin, domain_id=made.id, now=NOON)


# --- verifying --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [0, 1])
def test_the_record_at_either_name_proves_the_domain(cast: Cast, name_server: NameServer, where: int) -> None:
    made = claim(cast.alice)
    name_server.texts[made.record_names[where]] = ["v=spf1 -all", made.record_text]
    now = domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON)
    assert (now.state, now.verified_at, now.checked_at) == (State.VERIFIED, NOON, NOON)
    assert domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON).state == State.VERIFIED
    assert actions(cast.alice) == [Action.DOMAIN_CLAIMED, Action.DOMAIN_VERIFIED]


def test_a_missing_record_is_told_with_what_stands_there_instead(cast: Cast, name_server: NameServer) -> None:
    made = claim(cast.alice)
    with pytest.raises(RecordMissing, match="no TXT record there at all") as told:
        domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON)
    assert made.record_text in told.value.message
    assert "_skillport.acme.example" in told.value.message
    name_server.texts["acme.example"] = [
        made.record_text.upper(), f"{made.record_text}x", "x" * 240, "one more"
    ]  # fmt: skip
    with pytest.raises(RecordMissing, match="and 1 more") as told:
        domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON)
    assert f"{made.record_text}x" in told.value.message
    assert len(told.value.message) < 800
    assert shown(cast.alice, made.id).state == State.WAITING
    assert actions(cast.alice) == [Action.DOMAIN_CLAIMED]


def test_silence_proves_nothing_and_refutes_nothing(cast: Cast, name_server: NameServer) -> None:
    made = claim(cast.alice)
    name_server.broken.add("_skillport.acme.example")
    with pytest.raises(NameServerSilent):
        domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON)
    name_server.texts["acme.example"] = [made.record_text]
    assert domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON).state == State.VERIFIED, (
        "one name is enough"
    )
    name_server.texts.clear()
    with pytest.raises(NameServerSilent):
        domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON)
    assert shown(cast.alice, made.id).state == State.VERIFIED


def test_the_whole_look_has_one_deadline(
    cast: Cast, name_server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both names are asked one after the other, so what each may take has to fit into it together."""
    given: list[float] = []

    def noted(name: str, *, servers: Sequence[Server], deadline_seconds: float) -> tuple[str, ...]:
        given.append(deadline_seconds)
        return txt_records(name, servers=servers, deadline_seconds=deadline_seconds)

    monkeypatch.setattr(domain_checks, "txt_records", noted)
    made = claim(cast.alice)
    name_server.broken |= set(made.record_names)
    with pytest.raises(NameServerSilent):
        domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON)
    assert set(name_server.asked) == set(made.record_names)
    assert len(given) == len(made.record_names)
    assert sum(given) <= domain_checks.LOOK_SECONDS


def test_of_all_organizations_one_holds_a_domain(cast: Cast, name_server: NameServer) -> None:
    ours = verified(cast.alice, name_server)
    theirs = claim(cast.charlie)
    assert theirs.record_text != ours.record_text
    name_server.texts["acme.example"].append(theirs.record_text)
    with pytest.raises(DomainHeld):
        domains.verify_domain(principal=cast.charlie, domain_id=theirs.id, now=NOON)
    assert shown(cast.charlie, theirs.id).state == State.WAITING
    domains.release_domain(principal=cast.alice, domain_id=ours.id, now=NOON)
    held = domains.verify_domain(principal=cast.charlie, domain_id=theirs.id, now=NOON)
    assert held.state == State.VERIFIED


def test_another_organizations_record_proves_nothing_for_us(cast: Cast, name_server: NameServer) -> None:
    ours, theirs = claim(cast.alice), claim(cast.charlie)
    name_server.texts["acme.example"] = [theirs.record_text]
    with pytest.raises(RecordMissing):
        domains.verify_domain(principal=cast.alice, domain_id=ours.id, now=NOON)


def test_a_domain_of_another_organization_is_not_there(cast: Cast) -> None:
    ours = claim(cast.alice)
    for domain_id in (ours.id, uuid4()):
        with pytest.raises(NotFound):
            domains.get_domain(principal=cast.charlie, domain_id=domain_id)
        with pytest.raises(NotFound):
            domains.verify_domain(principal=cast.charlie, domain_id=domain_id, now=NOON)
        with pytest.raises(NotFound):
            domains.release_domain(principal=cast.charlie, domain_id=domain_id, now=NOON)
    assert domains.list_domains(principal=cast.charlie) == []


def test_a_released_domain_takes_its_rules_along(cast: Cast, name_server: NameServer) -> None:
    google = accept_google(cast.acme)
    for domain in ("acme.example", "other.example"):
        verified(cast.alice, name_server, domain)
        add_rule(
            principal=cast.alice, connection_id=google.pk, by=By.DOMAIN, value=domain, admission=Admission.AUTOMATIC,
            role=Role.MEMBER, now=NOON,
        )  # fmt: skip
    goes = domains.list_domains(principal=cast.alice)[0]
    domains.release_domain(principal=cast.alice, domain_id=goes.id, now=NOON)
    with within(cast.acme):
        rules = AdmissionRule.objects.for_organization(cast.acme)
        assert [rule.value for rule in rules] == ["other.example"]
    assert [one.domain for one in domains.list_domains(principal=cast.alice)] == ["other.example"]
    assert actions(cast.alice)[-1] == Action.DOMAIN_RELEASED


# --- by the clock -----------------------------------------------------------------------------------------------------


def test_a_verified_domain_is_checked_once_a_day(cast: Cast, name_server: NameServer) -> None:
    made = verified(cast.alice, name_server)
    claim(cast.alice, "never-proved.example")
    name_server.asked.clear()
    check_due_domains(now=NOON + DAY - HOUR)
    assert name_server.asked == []
    check_due_domains(now=NOON + DAY)
    assert set(name_server.asked) == set(made.record_names)
    assert shown(cast.alice, made.id).checked_at == NOON + DAY
    name_server.asked.clear()
    check_due_domains(now=NOON + DAY + HOUR)
    assert name_server.asked == []


def test_a_record_that_is_gone_lets_the_domain_lapse_at_once_and_owners_are_told_once(
    cast: Cast, name_server: NameServer, mailoutbox: list[Any]
) -> None:
    made = verified(cast.alice, name_server)
    name_server.texts.clear()
    check_due_domains(now=NOON + DAY)
    lapsed = shown(cast.alice, made.id)
    assert (lapsed.state, lapsed.lapsed_at) == (State.LAPSED, NOON + DAY)
    check_due_domains(now=NOON + 2 * DAY)
    assert [mail.to for mail in mailoutbox] == [["alice@example.org"]]
    assert "acme.example" in mailoutbox[0].subject
    assert made.record_text in mailoutbox[0].body
    assert actions(cast.alice).count(Action.DOMAIN_LAPSED) == 1


def test_a_record_that_a_person_finds_gone_lets_the_domain_lapse_too(
    cast: Cast, name_server: NameServer, mailoutbox: list[Any]
) -> None:
    made = verified(cast.alice, name_server)
    name_server.texts.clear()
    with pytest.raises(RecordMissing):
        domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON)
    assert shown(cast.alice, made.id).state == State.LAPSED
    assert len(mailoutbox) == 1


def test_a_record_that_is_back_within_thirty_days_counts_again_by_itself(
    cast: Cast, name_server: NameServer
) -> None:
    made = verified(cast.alice, name_server)
    name_server.texts.clear()
    check_due_domains(now=NOON + DAY)
    name_server.texts["acme.example"] = [made.record_text]
    check_due_domains(now=NOON + 2 * DAY)
    assert shown(cast.alice, made.id).state == State.VERIFIED
    assert actions(cast.alice)[-2:] == [Action.DOMAIN_LAPSED, Action.DOMAIN_VERIFIED]


def test_after_thirty_days_a_person_has_to_verify_it(cast: Cast, name_server: NameServer) -> None:
    """By then somebody else may own the domain, and could put up the text that everybody could read."""
    made = verified(cast.alice, name_server)
    name_server.texts.clear()
    check_due_domains(now=NOON + DAY)
    name_server.texts["acme.example"] = [made.record_text]
    check_due_domains(now=NOON + 31 * DAY)
    assert shown(cast.alice, made.id).state == State.LAPSED
    again = domains.verify_domain(principal=cast.alice, domain_id=made.id, now=NOON + 31 * DAY)
    assert again.state == State.VERIFIED


def test_name_servers_that_are_silent_are_asked_hourly_and_believed_for_two_days(
    cast: Cast, name_server: NameServer, mailoutbox: list[Any]
) -> None:
    made = verified(cast.alice, name_server)
    name_server.broken |= set(made.record_names)
    for hours in (0, 1, 2, 47):
        name_server.asked.clear()
        check_due_domains(now=NOON + DAY + hours * HOUR)
        assert name_server.asked, hours
        assert shown(cast.alice, made.id).state == State.VERIFIED
    check_due_domains(now=NOON + DAY + 48 * HOUR)
    assert shown(cast.alice, made.id).state == State.LAPSED
    assert len(mailoutbox) == 1
    name_server.broken.clear()
    check_due_domains(now=NOON + DAY + 49 * HOUR)
    assert shown(cast.alice, made.id).state == State.VERIFIED


def test_a_lapsed_domain_does_not_return_from_another_holder(cast: Cast, name_server: NameServer) -> None:
    ours = verified(cast.alice, name_server)
    name_server.texts.clear()
    check_due_domains(now=NOON + DAY)
    theirs = verified(cast.charlie, name_server)
    name_server.texts["acme.example"].append(ours.record_text)
    check_due_domains(now=NOON + 2 * DAY)
    assert shown(cast.alice, ours.id).state == State.LAPSED
    assert shown(cast.charlie, theirs.id).state == State.VERIFIED
    with within(cast.acme):
        assert VerifiedDomain.objects.for_organization(cast.acme).get().checked_at == NOON + 2 * DAY
