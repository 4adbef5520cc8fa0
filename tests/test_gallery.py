"""The gallery shows every figure that physgen can draw, in files that a page can carry."""

import re

import pytest
from helpers.site import ROOT
from PIL import Image

from physgen import plotting
from physgen.workflow.lattice.figures import FIGURES as LATTICE
from physgen.workflow.reconstruction.figures import FIGURES as RECONSTRUCTION

PAGE = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
IMAGES = sorted((ROOT / "docs" / "images").glob("*"))


def test_every_figure_of_a_run_is_named():
    missing = {one.name for one in (*LATTICE, *RECONSTRUCTION)} - set(re.findall(r"`(\w+)`", PAGE))
    assert missing == set()


def test_every_function_is_shown():
    functions = {name for name in plotting.__all__ if name.startswith("plot_")}
    assert functions - set(re.findall(r"plot_\w+", PAGE)) == set()
    assert len(functions) > 18


def test_the_workflows_are_there():
    for name in re.findall(r"workflows copy (\w+)", PAGE):
        assert (ROOT / "workflows" / name / "config.toml").is_file(), name


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_images_are_small_and_used(path):
    assert path.suffix == ".png"
    assert path.stat().st_size < 100_000
    with Image.open(path) as image:
        assert 500 <= image.width <= 1400
    pages = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("workflows/*/README.md")]
    assert any(f"images/{path.name}" in page.read_text(encoding="utf-8") for page in pages)
