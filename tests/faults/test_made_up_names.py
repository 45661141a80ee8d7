"""Whatever files are called, what is served of them can be unpacked anywhere, and nothing of it leaves its folder."""

from random import Random

from tests.faults.made_up_names import make_up, served_of, wrong_with


def test_what_is_served_of_made_up_names_can_be_unpacked_anywhere() -> None:
    chance = Random(2)
    made = [make_up(chance) for _ in range(1000)]
    wrong = {wrong_with(served_of(names)): names for names in made}
    assert wrong.keys() == {""}
    assert sum(len(served_of(names)) > 1 for names in made) > 20, "not everything is refused"


def test_names_that_harm_would_be_found_out() -> None:
    """The twin: the rules of the test refuse what the policy refuses."""
    for paths in (
        ["../x"],
        ["/x"],
        ["C:x"],
        ["a/../b"],
        ["con"],
        ["NUL.txt"],
        ["a."],
        ["a\\b"],
        ["a", "A"],
        ["a", "A/b"],
    ):
        assert wrong_with(paths)
