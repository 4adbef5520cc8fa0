"""Published numbers as their files hold them; what is refused at the door."""

import pytest
from claims.conftest import PUBLISHED

from physgen.claims import claim_names, load_claim
from physgen.claims.claim import read_claim
from physgen.core.errors import InputError


def test_lists_are_rows(paper):
    rows = load_claim("squares").rows
    assert [row.parameters["x"] for row in rows] == [2, 3, 5, 6]
    assert [row.value for row in rows] == [4.0, 9.3, 16.0, 35.0]
    assert [row.error for row in rows] == [0.0, 0.1, 0.0, None]
    assert [row.key for row in rows][:2] == ["square(x=2)", "square(x=3)"]
    assert {row.relation for row in rows} == {"equal"}
    assert all(row.printed for row in rows)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('place = "table I"', 'place = ""', "must say where it stands"),
        ('place = "table I"\n', "", "place is missing"),
        ('quantity = "square"\ntheirs', 'quantty = "square"\ntheirs', "mean 'quantity'"),
        ("x = [2, 3, 5]", "x = [2, 3]", "must have one length, got value: 3"),
        ("x = [2, 3, 5]", "x = [2, 3, 3]", "square\\(x=3\\) twice"),
        ('reason = "a misprint"\n', "", "must have a reason"),
        ('verified = "text"', 'verified = "read"', "must be one of 'text', 'recalled'"),
        ('"reproduced", "refuted"', '"reproduced", "wrong"', "must be one of 'reproduced'"),
        ("[0.0, 0.1, 0.0]", "[0.0, inf, 0.0]", "error in .* must be a finite number"),
        ("[0.0, 0.1, 0.0]", "[0.0, -0.1, 0.0]", "error in .* must be >= 0, got -0.1"),
        ('title = "Squares"', 'titel = "Squares"', "mean 'title'"),
        ("minutes = 0.01\n", "", "must say its minutes"),
        ("rank = 1", "rank = 0", "rank in .* positive integer"),
        ("rank = 1", "rank = ", "readable TOML file"),
    ],
)
def test_what_is_refused(paper, old, new, said):
    file = paper / "claims" / "squares" / "published.toml"
    assert old in PUBLISHED
    file.write_text(PUBLISHED.replace(old, new, 1))
    read_claim.cache_clear()
    with pytest.raises(InputError, match=said):
        load_claim("squares")


ALONE = """
[[beside]]
quantity = "cube"
about = "x^3"
parameters = { x = [2, 3] }
"""


def test_numbers_of_ours_stand_beside_them(paper):
    (paper / "claims" / "squares" / "published.toml").write_text(PUBLISHED + ALONE)
    read_claim.cache_clear()
    *others, two, three = load_claim("squares").rows
    assert [row.value for row in others] == [4.0, 9.3, 16.0, 35.0]
    assert (two.key, three.key) == ("cube(x=2)", "cube(x=3)")
    assert (two.value, two.error, two.verdict, two.theirs) == (None, None, "", "x^3")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ALONE.replace('about = "x^3"', "value = 8.0"), "no key 'value'"),
        (ALONE.replace('about = "x^3"\n', ""), "must have quantity, parameters, about; about is"),
        (ALONE.replace("[[beside]]", "[beside]"), r"must have numbers of ours as \[\[beside\]\]"),
        (ALONE.replace("cube", "square"), r"square\(x=2\) twice"),
        ('device = "gpu"\n', "that needs a GPU must be open"),
        ('device = "tpu"\n', "must be one of 'cpu', 'gpu'"),
    ],
)
def test_what_is_refused_beside_them(paper, text, said):
    start = PUBLISHED.replace('verified = "recalled"\nverdict = "open"\n', 'verified = "text"\n'
                              'verdict = "consistent"\n')  # fmt: skip
    (paper / "claims" / "squares" / "published.toml").write_text(start + text)
    read_claim.cache_clear()
    with pytest.raises(InputError, match=said):
        load_claim("squares")


def test_a_claim_that_is_not_there(paper):
    assert claim_names() == ["squares"]
    with pytest.raises(InputError, match="did you mean 'squares'"):
        load_claim("square")
