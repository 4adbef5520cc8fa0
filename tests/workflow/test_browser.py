"""Pages in a real browser: no number is out of sight at any width, and all text can be read."""

from importlib import resources
from string import Template

import pytest
from helpers.browser import BROWSER, looked_at

from physgen.workflow import page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no browser is installed (apt install chromium)"),
]

N = 14  # columns of a wide table
WIDE = page.table(
    ["generator", *(f"quantity {k}" for k in range(N))],
    [[f"sampler {i}", *(f"{i}.{k:02d}67890(12)" for k in range(N))] for i in range(3)],
)
HASHES = page.table(
    ("what", "value"),
    [("source", f"{'0123456789abcdef' * 4}-dirty"), ("versions", "numpy 2.4.6, torch 2.13.0")],
    ("name", "text"),
)


def written(path, *, styled=True):
    body = page.section("Numbers", WIDE) + page.section("Where they come from", HASHES)
    template = resources.files("physgen.workflow").joinpath("report.html").read_text("utf-8")
    path.write_text(
        Template(template).substitute(
            title="A page", subtitle="of a test", contents=page.contents(body), body=body,
            tables=page.table_styles(body) if styled else "", footer="physgen",
        )
    )  # fmt: skip
    return path


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
@pytest.mark.parametrize("width", [400, 768, 1280])
def test_every_number_is_in_sight_and_every_text_stands_out(width, scheme, tmp_path):
    found = looked_at(written(tmp_path / "page.html"), width, scheme)
    assert found["cells"] == 3 * N + 2  # beside the names of rows
    assert (found["lost"], found["wide"]) == ([], False)
    assert found["least"] >= 4.5, found["where"]  # of text; WCAG 2.1, criterion 1.4.3


def test_a_table_that_is_cut_would_be_noticed(tmp_path):
    found = looked_at(written(tmp_path / "page.html", styled=False), 768)
    assert len(found["lost"]) >= 3
    assert found["wide"]


def test_pale_text_would_be_noticed(tmp_path):
    file = written(tmp_path / "page.html")
    file.write_text(file.read_text().replace("of a test", '<b style="color: #bbb">faint</b>'))
    assert looked_at(file, 1280)["where"] == "faint"
