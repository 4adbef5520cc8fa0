"""The site: every exported name has its place once, and docstrings survive as they are read."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site():
    sys.path.insert(0, str(ROOT / "docs" / "_site"))
    import escaping
    import reference

    yield escaping, reference
    sys.path.remove(str(ROOT / "docs" / "_site"))


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
def test_stars_and_bars(site, prose, written):
    assert site[0]._escaped(prose) == written


def test_mathematics_and_examples_stay(site):
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
    site[0].escape(None, "function", "f", None, None, lines)
    assert lines[0] == r"A sum \|x\|."
    assert lines[4] == "   + a * |b|"
    assert lines[6] == ">>> 2 * 3"
    assert lines[7] == r"after \|y\|"


def test_every_name_has_its_place_once(site, tmp_path):
    reference = site[1]
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
@pytest.mark.skipif(find_spec("sphinx") is None, reason="needs Sphinx: make docs installs it")
def test_it_is_built_without_a_warning(tmp_path):
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-c", "docs", "-W", "--keep-going", "-q",
         ".", str(tmp_path / "site"), "-d", str(tmp_path / "trees")],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "site" / "index.html").exists()
    assert (tmp_path / "site" / "docs" / "api" / "physgen-samplers.html").exists()
