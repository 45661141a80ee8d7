import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplaces.manifest.yaml_subset import YamlRefused, parse_mapping


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("7", 7), ("-12", -12), ("+3", 3),
        ("1.5", 1.5), ("1.", 1.0), ("1e3", 1000.0), (".5", 0.5), ("007", 7), ("123456789012345678", "123456789012345678"),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("190:20:30", "190:20:30"), ("2026-11-22", "2026-11-22"),
        ("0x1F", "0x1F"), ("0o17", "0o17"), ("1_000", "1_000"), (".inf", ".inf"), (".nan", ".nan"), ("1e999", "1e999"),
        ("9" * 5_000, "9" * 5_000), ("'true'", "true"), ('"7"', "7"), ("|-\n  7", "7"), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_mean_what_yaml_1_2_says(scalar, value):
    assert parse_mapping(f"a: {scalar}\n") == {"a": value}


@pytest.mark.parametrize("text", ["1.10", "no", "null", "2026-11-22", "190:20:30", "1e3"])
def test_name_version_and_description_are_the_text_that_stands_there(text):
    block = f"name: {text}\nversion: {text}\ndescription: {text}\nmetadata:\n  version: {text}\n"
    assert parse_mapping(block) == {
        "name": text, "version": text, "description": text, "metadata": {"version": text},
    }  # fmt: skip


def test_lists_and_mappings_of_both_styles_are_read():
    block = "a: [1, {b: x}]\nc:\n  - d\n  - e: f\n? g\n: h\n"
    assert parse_mapping(block) == {"a": [1, {"b": "x"}], "c": ["d", {"e": "f"}], "g": "h"}


def test_keys_are_texts():
    assert parse_mapping("1: a\ntrue: b\nnull: c\n<<: d\n") == {"1": "a", "true": "b", "null": "c", "<<": "d"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n", "~"])
def test_nothing_is_an_empty_mapping(text):
    assert parse_mapping(text) == {}


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a: 1\nb: &x 1\n", 2, "anchors"),
        ("a: &x {}\n", 1, "anchors"),
        ("a: *x\n", 1, "aliases"),
        ("&x a: 1\n", 1, "anchors"),
        ("*x : 1\n", 1, "aliases"),
        ("a: !!python/object:os.system x\n", 1, "tags"),
        ("a: !!str 1\n", 1, "tags"),
        ("a: !x [1]\n", 1, "tags"),
        ("!x a: 1\n", 1, "tags"),
        ("a: 1\nb: 2\na: 3\n", 3, "“a” stands twice"),
        ("x:\n  a: 1\n  'a': 2\n", 3, "stands twice"),
        ("[a, b]: c\n", 1, "key is not"),
        ("- a\n- b\n", 1, "keys with values"),
        ("just text", 1, "keys with values"),
        ("a: 1\n...\n--- \nb: 2\n", 3, "more than one"),
        ("description: use when: asked\n", 1, "mapping values"),
        ("a: 1\nb: [1, 2\n", 3, "expected"),
        ("a: 1\nb:\n\t- x\n", 3, "token"),
        ("a: 1\nb: \x07\n", 2, "does not allow"),
        ('a: 1\nb: "\\0"\n', 2, "NUL"),
        ('a: "\\ud800"\n', 1, "half a character"),
        ('a: "\\UFFFFFFFF"\n', 1, "too large"),
        ("%YAML 1." + "9" * 5_000 + "\n--- {}\n", 1, "too large"),
    ],
)
def test_what_could_mean_something_else_elsewhere_is_refused_with_its_line(text, line, why):
    with pytest.raises(YamlRefused) as refused:
        parse_mapping(text)
    assert why in refused.value.why
    assert refused.value.line == line


def test_eight_levels_are_read_and_nine_are_not():
    assert parse_mapping("a: " + "[" * 7 + "]" * 7) == {"a": [[[[[[[]]]]]]]}
    with pytest.raises(YamlRefused, match="8 levels"):
        parse_mapping("a: " + "[" * 8 + "]" * 8)


@pytest.mark.parametrize("bracket", ["[", "{", "- ", "? ", "a: {", "[{"])
def test_fifty_thousand_levels_end_at_once(bracket):
    with pytest.raises(YamlRefused):
        parse_mapping("a: " + bracket * 50_000)


def test_an_alias_bomb_does_not_begin():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(YamlRefused, match="aliases"):
        parse_mapping("\n".join(lines))


yaml_like = st.text(
    st.sampled_from("ab1 \n\t:-?[]{},#&*!|>'\"%@`\\xuU0.~=<\r\x85\u2028é🎉\ud800\x00\ufeff"), max_size=60
)


@settings(max_examples=1_500)
@given(yaml_like | st.text(max_size=80))
def test_any_text_is_json_or_refused(text):
    try:
        value = parse_mapping(text)
    except YamlRefused:
        return
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
