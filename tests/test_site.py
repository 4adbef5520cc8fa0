"""The site: every exported name has its place once, and docstrings survive as they are read."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from helpers.site import ROOT, site_module

escaping, reference = site_module("escaping"), site_module("reference")


@pytest.mark.parametrize(
    ("prose", "written"),
    [
        ("x (n, *event_shape)", r"x (n, \*event_shape)"),
        ("the mean of |m|", r"the mean of \|m\|"),
        ("by ``|m|`` and :math:`|k| = 2 * 3`", "by ``|m|`` and :math:`|k| = 2 * 3`"),
        ("*reproduced* if **all** hold", "*reproduced* if **all** hold"),
        ("* a point, with a * b", r"* a point, with a \* b"),
        (r"an \*escaped one", r"an \*escaped one"),
    ],
)
def test_stars_and_bars(prose, written):
    assert escaping._escaped(prose) == written


def test_mathematics_and_examples_stay():
    lines = [
        "A sum |x|.",
        "",
        ".. math:: S = |k|",
        "",
        "   + a * |b|",
        "",
        ">>> 2 * 3",
        "after |y|",
    ]
    escaping.escape(None, "function", "f", None, None, lines)
    assert lines[0] == r"A sum \|x\|."
    assert lines[4] == "   + a * |b|"
    assert lines[6] == ">>> 2 * 3"
    assert lines[7] == r"after \|y\|"


def test_every_name_has_its_place_once(tmp_path):
    reference.write(tmp_path)
    pages = {path.stem: path.read_text() for path in tmp_path.glob("*.md")}
    places = [
        line.split("::", 1)[1].strip()
        for text in pages.values()
        for line in text.splitlines()
        if line.startswith(".. auto")
    ]
    assert len(places) == len(set(places)) > 300
    named = {place.rsplit(".", 1)[1] for place in places}
    for room in reference.ROOMS:
        for name, thing in reference.exported(room):
            assert name in named or reference._kind(thing) is None, f"{room}.{name}"
    assert pages["index"].count("physgen") == len(pages) - 1


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ziamath") is None, reason="needs the extra docs: make docs")
def test_it_is_built_without_a_warning_and_needs_no_network(tmp_path):
    """Tutorials are not executed here: ``make docs`` and tests/test_tutorials.py do that."""
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-c", "docs", "-W", "--keep-going", "-q",
         "-D", "nb_execution_mode=off", "-D", "suppress_warnings=ref.python,myst-nb.lexer",
         ".", str(site), "-d", str(tmp_path / "trees")],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert (site / "index.html").exists()
    found = site_module("links").of_site(site)
    assert found.pages > 70
    assert found.faults == []
    page = (site / "docs" / "api" / "physgen-samplers.html").read_text()
    assert "<math alttext=" in page
    assert "mathjax" not in page.lower().replace("mathjax_ignore", "")  # a class of myst
    assert (site / "_static" / "math.woff").exists()
