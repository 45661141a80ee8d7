"""Bearer strings: their form, what is kept of them, and that a look-alike is told from a real one without a query."""

import hashlib
import string
import zlib
from dataclasses import make_dataclass

import pytest

from skillport.tokens import Minted, Prefix, digest, mint, random_secret, well_formed

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
GOOD = mint(Prefix.API_KEY).plain_secret


def base62_of_crc32(text: str) -> str:
    """Calculate a checksum by another way than the code under test: from the front, with powers."""
    number = zlib.crc32(text.encode())
    return "".join(BASE62[number // 62**power % 62] for power in range(5, -1, -1))


def with_its_checksum(text: str) -> str:
    return text + base62_of_crc32(text)


@pytest.mark.parametrize("prefix", Prefix)
def test_a_secret_is_its_prefix_then_43_random_characters_then_their_checksum(prefix: Prefix) -> None:
    secret = mint(prefix).plain_secret
    assert secret.startswith(f"{prefix}_")
    body = secret.removeprefix(f"{prefix}_")
    assert len(body) == 43 + 6
    assert set(body) <= set(BASE62)
    assert secret == with_its_checksum(secret[:-6])
    assert well_formed(secret, prefix)


def test_the_form_does_not_change_between_releases() -> None:
    # A secret that was issued once must be accepted for ever; secret scanners know the form too.
    assert well_formed("sklp_ak_" + "0" * 43 + "1ikkXV", Prefix.API_KEY)
    assert well_formed("sklp_it_" + "z" * 43 + "2a4G4P", Prefix.INSTALL_TOKEN)


def test_a_thousand_secrets_are_distinct_and_use_every_character_in_every_place() -> None:
    bodies = [mint(Prefix.API_KEY).plain_secret[len("sklp_ak_") : -6] for _ in range(1000)]
    assert len(set(bodies)) == 1000
    for place in zip(*bodies, strict=True):
        assert len(set(place)) > 50  # of 62; a place that were fixed or narrow would not reach it


def test_every_changed_character_is_noticed() -> None:
    for place, character in enumerate(GOOD):
        other = "A" if character != "A" else "B"
        assert not well_formed(GOOD[:place] + other + GOOD[place + 1 :], Prefix.API_KEY)


def test_two_exchanged_characters_are_noticed() -> None:
    for place in range(len("sklp_ak_"), len(GOOD) - 1):
        one, other = GOOD[place], GOOD[place + 1]
        exchanged = GOOD[:place] + other + one + GOOD[place + 2 :]
        assert one == other or not well_formed(exchanged, Prefix.API_KEY)


def test_a_checksum_anybody_can_calculate_says_nothing_about_having_been_issued() -> None:
    """The twin of the refusals below: with the right checksum the very same bodies would be well formed."""
    assert well_formed(with_its_checksum("sklp_ak_" + "a" * 43), Prefix.API_KEY)


MALFORMED = {
    "empty": "",
    "the prefix alone": "sklp_ak",
    "the prefix and its line": "sklp_ak_",
    "no prefix": GOOD.removeprefix("sklp_ak_"),
    "another prefix, its checksum right": with_its_checksum("sklp_it_" + "a" * 43),
    "an unknown prefix, its checksum right": with_its_checksum("sklp_xx_" + "a" * 43),
    "the prefix in capitals": GOOD.replace("sklp", "SKLP"),
    "one character less, its checksum right": with_its_checksum("sklp_ak_" + "a" * 42),
    "one character more, its checksum right": with_its_checksum("sklp_ak_" + "a" * 44),
    "no checksum": GOOD[:-6],
    "half a checksum": GOOD[:-3],
    "a wrong checksum": GOOD[:-6] + ("000000" if not GOOD.endswith("000000") else "000001"),
    "a character outside the alphabet, its checksum right": with_its_checksum("sklp_ak_" + "a" * 42 + "-"),
    "an underscore, its checksum right": with_its_checksum("sklp_ak_" + "a" * 42 + "_"),
    "a digit of another script, its checksum right": with_its_checksum("sklp_ak_" + "a" * 42 + "٣"),
    "a full-width letter, its checksum right": with_its_checksum("sklp_ak_" + "a" * 42 + "ａ"),
    "a checksum in another script": GOOD[:-1] + "٣",
    "a lone surrogate in the body": GOOD[:20] + "\ud800" + GOOD[21:],
    "a lone surrogate in the checksum": GOOD[:-1] + "\udfff",
    "a zero byte": GOOD[:20] + "\x00" + GOOD[21:],
    "a line end behind": GOOD + "\n",
    "a space before": " " + GOOD,
    "the same secret twice": GOOD + GOOD,
    "very long": GOOD + "a" * 1_000_000,
    "very long, its checksum right": with_its_checksum("sklp_ak_" + "a" * 1_000_000),
}


@pytest.mark.parametrize("secret", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_secret_is_refused(secret: str) -> None:
    assert not well_formed(secret, Prefix.API_KEY)


def test_one_kind_of_secret_is_not_taken_for_the_other() -> None:
    assert not well_formed(mint(Prefix.API_KEY).plain_secret, Prefix.INSTALL_TOKEN)
    assert not well_formed(mint(Prefix.INSTALL_TOKEN).plain_secret, Prefix.API_KEY)


def test_what_is_kept_is_the_sha_256_digest_and_the_last_four_characters() -> None:
    minted = mint(Prefix.INSTALL_TOKEN)
    assert (
        minted.digest == digest(minted.plain_secret) == hashlib.sha256(minted.plain_secret.encode()).digest()
    )
    assert minted.last_four == minted.plain_secret[-4:]


def test_a_repr_shows_the_last_four_characters_and_nothing_else_of_the_secret() -> None:
    minted = mint(Prefix.API_KEY)
    for shown in (repr(minted), str(minted), f"{minted}", repr([minted]), repr({"key": minted})):
        assert minted.last_four in shown
        assert minted.plain_secret[8:-4] not in shown
        assert minted.digest.hex() not in shown
        assert repr(minted.digest) not in shown


def test_the_repr_that_a_dataclass_makes_by_itself_would_show_the_secret() -> None:
    """The twin: what the line above is there to prevent."""

    minted = mint(Prefix.API_KEY)
    careless = make_dataclass("Careless", Minted.__slots__)(
        minted.plain_secret, minted.digest, minted.last_four
    )
    assert minted.plain_secret in repr(careless)


def test_a_secret_that_both_sides_store_has_256_bits() -> None:
    secrets = {random_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert {len(secret) for secret in secrets} == {43}  # 32 bytes in base64 without its padding
