"""Formulas of the site: MathML that is well-formed, and says what the LaTeX says."""

import re
from contextlib import closing
from importlib.util import find_spec
from xml.etree import ElementTree

import pytest
from helpers.site import ROOT, site_module

pytestmark = pytest.mark.skipif(
    find_spec("ziamath") is None or find_spec("sphinx") is None,
    reason="needs the extra docs: make docs installs it",
)


@pytest.fixture(scope="module")
def mathml():
    return site_module("mathml")


def parts(written, tag):
    return [part for part in ElementTree.fromstring(written).iter() if part.tag == tag]


def test_a_fraction_has_two_parts_and_no_script(mathml):
    written = mathml.translated(r"\frac{a}{b + 1}")
    (fraction,) = parts(written, "mfrac")
    assert ["".join(side.itertext()) for side in fraction] == ["a", "b+1"]
    assert "<script" not in written
    assert 'alttext="\\frac{a}{b + 1}"' in written


@pytest.mark.parametrize(
    ("latex", "spaces"),
    [
        (r"\log p", 1),
        (r"K \coth 2K", 2),
        (r"\log(p)", 0),  # a bracket needs none
        (r"a + \log\cosh x", 2),
        (r"\tanh^2 K", 1),
        (r"a b c", 0),
    ],
)
def test_functions_keep_thin_spaces(mathml, latex, spaces):
    assert len(parts(mathml.translated(latex), "mspace")) == spaces


@pytest.mark.parametrize("environment", ["", "aligned", "split", "align*"])
def test_lines_of_a_display_stand_below_each_other(mathml, environment):
    latex = r"a &= b \\ c + d &= e"
    if environment:
        latex = rf"\begin{{{environment}}}{latex}\end{{{environment}}}"
    (table,) = parts(mathml.translated(latex, display=True), "mtable")
    assert ["".join(row.itertext()) for row in table] == ["a=b", "c+d=e"]


def test_a_matrix_is_not_taken_for_lines(mathml):
    (table,) = parts(
        mathml.translated(r"m = \begin{pmatrix} a & b \\ c & d \end{pmatrix}", display=True),
        "mtable",
    )
    assert [len(row) for row in table] == [2, 2]


def test_large_brackets_are_drawn_not_named(mathml):
    written = mathml.translated(r"\Big\langle \big\{ a \big\} \Big\rangle")
    assert "".join(ElementTree.fromstring(written).itertext()) == "⟨{a}⟩"


@pytest.mark.parametrize("latex", [r"\nosuchcommand x", r"a & b", r"\left( x"])
def test_what_cannot_be_read_is_refused(mathml, latex):
    with pytest.raises(ValueError, match="a formula must"):
        mathml.translated(latex)


def formulas():
    """Every formula of the docstrings: in a line, and in displays."""
    for path in sorted((ROOT / "physgen").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield from ((latex, False) for latex in re.findall(r":math:`([^`]*)`", text))
        lines = text.splitlines()
        for i, line in enumerate(lines):
            if not line.lstrip().startswith(".. math::"):
                continue
            indent = len(line) - len(line.lstrip())
            block = [line.split("::", 1)[1]]
            for below in lines[i + 1 :]:
                if below.strip() and len(below) - len(below.lstrip()) <= indent:
                    break
                block.append(below)
            yield from ((part, True) for part in "\n".join(block).split("\n\n") if part.strip())


def test_every_formula_of_the_package_can_be_read(mathml):
    seen = [mathml.translated(latex, display) for latex, display in formulas()]
    assert len(seen) > 1000


def test_the_font_has_mathematics_in_a_third_of_a_megabyte(mathml, tmp_path):
    from fontTools.ttLib import TTFont

    mathml.write_font(tmp_path / "math.woff")
    assert (tmp_path / "math.woff").stat().st_size < 350_000
    with closing(TTFont(tmp_path / "math.woff")) as font:
        assert "MATH" in font
        assert {ord(c) for c in "∑∫√⟨⟩βφκ𝛽"} <= set(font.getBestCmap())
