import pytest

from marketplaces.manifest.display import brief, escaped, one_line


def test_a_text_becomes_one_line():
    assert one_line("  Reads\r\n\ta  contract.\u2028Then\u00a0stops. ") == "Reads a contract. Then stops."


@pytest.mark.parametrize(
    "hidden", ["\x00", "\x1b", "\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041", "\ud800", "\ue000"]
)
def test_what_hides_is_removed(hidden):
    assert one_line(f"a{hidden}b {hidden} c") == "ab c"


def test_joined_emoji_and_persian_stay():
    text = "👩\u200d💻 \u0645\u06cc\u200c\u062e"
    assert one_line(text) == text


def test_a_long_text_is_cut():
    assert one_line("x " * 2_000) == ("x " * 1_000).rstrip()


def test_a_path_is_shown_with_escapes_and_cut_in_the_middle():
    assert escaped(b"a\nb\xff\xe2\x80\xae.md") == "a\\nb\\xff\\u202e.md"
    assert escaped("\ud800") == "\\ud800"
    assert escaped("a" * 300 + "z" * 300, 101) == "a" * 50 + "…" + "z" * 50


def test_a_value_is_said_in_few_words():
    assert [brief(value) for value in ("x", 1.5, None, True, [1], {"a": 1})] == [
        "x", "1.5", "None", "True", "a list", "an object",
    ]  # fmt: skip
