"""The rule for docstrings holds, and finds what is missing; so does the search for clicks."""

import sys

import pytest
from helpers.site import ROOT, site_module

sys.path.insert(0, str(ROOT / "docs" / "_site"))
documented = site_module("documented")
sys.path.remove(str(ROOT / "docs" / "_site"))


@pytest.mark.slow
def test_every_exported_name_is_documented():
    assert documented.gaps() == {}
    assert len(documented.names()) > 330


def whole(x, n: int) -> float:
    """Return a number.

    Parameters
    ----------
    x : array, shape (n,)
        Fields.
    n : int
        Draws, >= 1.

    Raises
    ------
    InputError
        If n is not positive.
    """
    check_positive_int("n", n)  # noqa: F821
    return 0.0


def without_arguments(x, n: int) -> float:
    """Return a number."""
    return 0.0


def without_shape(x) -> float:
    """Return a number.

    Parameters
    ----------
    x : array
        Fields.
    """
    return 0.0


def without_meaning(n: int) -> float:
    """Return a number.

    Parameters
    ----------
    n : int
    """
    return 0.0


def without_errors(n) -> float:
    """Return a number.

    Parameters
    ----------
    n : int
        Draws.
    """
    check_positive_int("n", n)  # noqa: F821
    return 0.0


def without_returns() -> float:
    """Count the draws."""
    return 0.0


def without_summary() -> None:
    """Draw, and
    go on without an end
    """


def by_reference(x, n) -> float:
    """Return a number; arguments as for `whole`."""
    return 0.0


@pytest.mark.parametrize(
    ("function", "lacks"),
    [
        (whole, []),
        (without_arguments, ["argument x", "argument n"]),
        (without_shape, ["shape of x"]),
        (without_meaning, ["description of n"]),
        (without_errors, ["Raises"]),
        (without_returns, ["Returns"]),
        (without_summary, ["a summary of one line"]),
        (by_reference, []),
    ],
)
def test_each_gap_is_found(function, lacks):
    assert list(documented._gaps(f"room.{function.__name__}", function, None)) == lacks


def test_an_everyday_name_needs_an_example():
    assert list(documented._gaps("physgen.whole", whole, "whole(x, 3)")) == []
    assert list(documented._gaps("physgen.whole", whole, "wholesale(x, 3)")) == ["an example"]


def test_clicks_are_counted_in_the_text_of_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "workflows" / "benchmarks"), *sys.path])
    docs = __import__("docs")
    page = '<nav><a href="c.html">c</a></nav><article id="furo-main-content">{}</article>'
    (tmp_path / "a.html").write_text(page.format('<a href="b.html#x">b</a>'))
    (tmp_path / "b.html").write_text(page.format('<a href="c.html">c</a> <a href="a.html">a</a>'))
    (tmp_path / "c.html").write_text(page.format('<a href="https://a.bc/d.html">d</a>'))
    assert docs.distances(tmp_path, "a.html") == {"a.html": 0, "b.html": 1, "c.html": 2}
