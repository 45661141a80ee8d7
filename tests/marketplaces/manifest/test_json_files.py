import pytest

from marketplaces.manifest.json_files import JsonInvalid, parse_json


def test_a_byte_order_mark_is_tolerated():
    assert parse_json(b'\xef\xbb\xbf{"a": [1, 2.5, null, true]}') == {"a": [1, 2.5, None, True]}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{\n  "a": 1\n  "b": 2}', "line 3, column 3"),
        (b"", "line 1, column 1"),
        (b'{\n"a": "\xff"}', "not UTF-8 at line 2, column 7"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "“c” stands twice"),
        (b'{"\\ud800\\n": 1, "\\ud800\\n": 2}', "“\\ud800\\n” stands twice"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b"[" * 100_000, "nests too deeply"),
        (b'{"a":' * 100_000, "nests too deeply"),
        (b"9" * 5_000, "too long"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(raw, why):
    with pytest.raises(JsonInvalid) as refused:
        parse_json(raw)
    assert why in refused.value.why
