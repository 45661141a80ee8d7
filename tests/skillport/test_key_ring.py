"""Secrets at rest: a sealed value opens at its own place, under its own key, unharmed, and nowhere else."""

import base64
import traceback
import uuid
from uuid import UUID

import pytest

from skillport.key_ring import BadKeyRing, KeyRing, Place, SecretUnreadable

SECRET = "glpat-a-service-token"
OLD_KEY, NEW_KEY = b"o" * 32, b"n" * 32
RING = KeyRing({"old": OLD_KEY})
HERE = Place(UUID(int=1), "marketplaces_marketplace", "7", "credential")
ELSEWHERE = {
    "another organization": HERE._replace(organization_id=UUID(int=2)),
    "another table": HERE._replace(table="marketplaces_other"),
    "another row": HERE._replace(row_id="8"),
    "another field": HERE._replace(field="webhook_secret"),
}


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def opens(ring: KeyRing, sealed: bytes, place: Place = HERE) -> bool:
    try:
        return ring.open(sealed, place) == SECRET
    except SecretUnreadable:
        return False


def test_what_was_sealed_for_a_place_opens_there() -> None:
    for secret in (SECRET, "", "ü€😀\n\x00", "x" * 100_000):
        assert RING.open(RING.seal(secret, HERE), HERE) == secret


@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_was_moved_does_not_open(elsewhere: Place) -> None:
    sealed = RING.seal(SECRET, HERE)
    assert opens(RING, sealed)
    with pytest.raises(SecretUnreadable):
        RING.open(sealed, elsewhere)


@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE)
def test_without_the_binding_it_would_open_after_the_move(
    elsewhere: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the associated data is what refuses, not a check beside it."""
    monkeypatch.setattr(Place, "associated_data", lambda _: b"anywhere")
    assert opens(RING, RING.seal(SECRET, HERE), elsewhere)


def test_a_wrapped_key_of_one_place_does_not_open_another_places_text() -> None:
    # Both layers are bound: exchanging only one of them must not help either.
    here, there = RING.seal(SECRET, HERE), RING.seal(SECRET, ELSEWHERE["another row"])
    head = 2 + len("old") + 12 + 48
    assert opens(RING, here[:head] + here[head:])
    assert not opens(RING, here[:head] + there[head:])
    assert not opens(RING, there[:head] + here[head:])


def test_two_places_are_never_bound_alike() -> None:
    one, other = HERE._replace(table="a|b", row_id="c"), HERE._replace(table="a", row_id="b|c")
    assert not opens(RING, RING.seal(SECRET, one), other)


def test_a_changed_byte_is_noticed_wherever_it_is() -> None:
    ring = KeyRing(
        {"old": OLD_KEY, "olf": OLD_KEY, "ol": OLD_KEY}
    )  # so that a changed key id finds a key, too
    sealed = ring.seal(SECRET, HERE)
    assert opens(ring, sealed)
    for position in range(len(sealed)):
        if 2 <= position < 5:
            continue  # the key id itself, next test: here the other ids name the very same key
        for flipped in (0x01, 0x80, 0xFF):
            changed = bytearray(sealed)
            changed[position] ^= flipped
            assert not opens(ring, bytes(changed)), position


def test_a_changed_key_id_is_noticed() -> None:
    ring = KeyRing({"old": OLD_KEY, "olf": NEW_KEY})
    sealed = ring.seal(SECRET, HERE)
    for position in range(1, 5):
        for value in range(256):
            changed = bytearray(sealed)
            changed[position] = value
            assert opens(ring, bytes(changed)) == (bytes(changed) == sealed)


def test_a_shortened_or_lengthened_value_is_noticed() -> None:
    sealed = RING.seal(SECRET, HERE)
    for length in range(len(sealed)):
        assert not opens(RING, sealed[:length]), length
        assert not opens(RING, sealed[length:] if length else b""), length
    assert not opens(RING, sealed + b"\x00")
    assert not opens(RING, sealed + sealed)


def test_two_seals_of_one_secret_share_nothing_but_the_key_id() -> None:
    one, other = RING.seal(SECRET, HERE), RING.seal(SECRET, HERE)
    head = 2 + len("old")
    assert one[:head] == other[:head]
    assert one[head : head + 12] != other[head : head + 12]  # the nonce of the wrapping
    assert sum(a == b for a, b in zip(one[head:], other[head:], strict=True)) < 12  # 1 in 256 by chance
    assert len({RING.seal("", HERE) for _ in range(1000)}) == 1000


def test_the_plaintext_is_nowhere_in_what_is_stored() -> None:
    sealed = RING.seal(SECRET, HERE)
    assert SECRET.encode() not in sealed
    assert OLD_KEY not in sealed


def test_after_a_rotation_the_old_key_opens_and_the_new_key_seals() -> None:
    before = RING.seal(SECRET, HERE)
    rotated = KeyRing.parse(f"new:{encoded(NEW_KEY)},old:{encoded(OLD_KEY)}")
    after = rotated.seal(SECRET, HERE)
    assert opens(rotated, before)
    assert opens(rotated, after)
    assert opens(KeyRing({"new": NEW_KEY}), after)
    assert not opens(RING, after)


def test_what_a_removed_key_sealed_is_unreadable_and_the_error_says_what_to_do() -> None:
    sealed = RING.seal(SECRET, HERE)
    for ring in (KeyRing({"new": NEW_KEY}), KeyRing({"old": NEW_KEY})):
        with pytest.raises(SecretUnreadable, match="put its encryption key back") as refused:
            ring.open(sealed, HERE)
        assert refused.value.__cause__ is None
        assert SECRET not in "".join(traceback.format_exception(refused.value))


MATERIAL = encoded(uuid.UUID(int=7).bytes * 2)
BAD_RINGS = {
    "nothing": ("", "empty"),
    "only commas": (" , ,", "empty"),
    "no id": (MATERIAL, "Key 1 must be"),
    "an empty id": (f":{MATERIAL}", "Key 1 must be"),
    "an id with a line in it": (f"a-b:{MATERIAL}", "Key 1 must be"),
    "an id of another script": (f"schlüssel:{MATERIAL}", "Key 1 must be"),
    "the same id twice": (f"a:{MATERIAL},a:{MATERIAL}", "Key 2 must be"),
    "not base64": (f"a:{MATERIAL},b:{MATERIAL[:-3]}", "Key 2 is not base64"),
    "url-safe base64": (f"a:{'-_' * 21}-=", "Key 1 is not base64"),
    "characters outside ASCII": (f"a:{MATERIAL},b:{MATERIAL[:-2]}é=", "Key 2 is not base64"),
    "too short": (f"a:{MATERIAL},b:{encoded(b'short')}", "Key 2 must be 32 bytes long, it has 5"),
    "too long": (f"a:{encoded(b'x' * 33)}", "Key 1 must be 32 bytes long, it has 33"),
    "an id that does not fit": (f"{'a' * 256}:{MATERIAL}", "Key 1 must be"),
}


@pytest.mark.parametrize(("text", "says"), BAD_RINGS.values(), ids=BAD_RINGS)
def test_a_bad_key_ring_is_refused_by_the_number_of_its_key_and_never_repeated(text: str, says: str) -> None:
    with pytest.raises(BadKeyRing, match=says) as refused:
        KeyRing.parse(text)
    shown = "".join(traceback.format_exception(refused.value, chain=True))
    for part in text.replace(",", ":").split(":"):
        assert len(part) < 8 or part not in str(refused.value)
        assert len(part) < 8 or part not in shown


def test_a_key_ring_may_be_written_over_several_lines() -> None:
    ring = KeyRing.parse(f"new:{encoded(NEW_KEY)},\n  old:{encoded(OLD_KEY)}\n")
    assert ring == KeyRing({"new": NEW_KEY, "old": OLD_KEY})
    assert next(iter(ring.keys)) == "new"


def test_a_repr_of_a_key_ring_names_its_keys_and_shows_none() -> None:
    ring = KeyRing({"new": NEW_KEY, "old": OLD_KEY})
    for shown in (repr(ring), str(ring), f"{ring}", repr([ring])):
        assert "KeyRing(new, old)" in shown
        assert "nnnn" not in shown
        assert "oooo" not in shown
