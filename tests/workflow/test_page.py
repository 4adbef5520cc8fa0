"""The page of a report: no column is lost, each part has an anchor, its config runs."""

import re
import tomllib
from html.parser import HTMLParser

import pytest

from physgen.workflow import page
from physgen.workflow.loading import config_from_dict, load_config
from physgen.workflow.report import _given
from physgen.workflow.shipped import find_workflow, list_workflows

HEAD = ["quantity", "value", "pull from exact", "empty", "how"]
ROWS = [["<m>", "0.1(2)", "+0.3", "", "chi^2"], ["e & f", "1(1)", "", "", '"quoted"']]
CLASSES = ["name", "", "", "", "text"]


class Cells(HTMLParser):
    """Collects the cells of a table with their attributes."""

    def __init__(self):
        super().__init__()
        self.cells, self.attrs = [], []

    def handle_starttag(self, tag, attrs):
        self.open = tag in ("td", "th")
        if self.open:
            self.attrs.append((tag, dict(attrs)))
            self.cells.append("")

    def handle_data(self, data):
        if self.cells and self.open:
            self.cells[-1] += data

    def handle_endtag(self, tag):
        self.open = False


def cells_of(html):
    parser = Cells()
    parser.feed(html)
    return parser


def test_a_table_keeps_every_cell_but_empty_columns():
    found = cells_of(page.table(HEAD, ROWS, CLASSES))
    kept = [0, 1, 2, 4]
    wanted = [HEAD[k] for k in kept] + [row[k] for row in ROWS for k in kept]
    assert found.cells == wanted
    scopes = [attrs.get("scope") for _, attrs in found.attrs]
    assert scopes == ["col"] * 4 + ["row", None, None, None] * 2
    # A card names each of its numbers.
    assert [attrs["data-head"] for _, attrs in found.attrs[4:8]] == [HEAD[k] for k in kept]


def test_a_table_becomes_cards_where_it_does_not_fit():
    """The width at which it does grows with what the table holds."""

    def width(html):
        return int(re.search(r'class="w(\d+)"', html)[1])

    narrow = page.table(["a", "b"], [["1", "2"]])
    wide = page.table([f"a{k}" for k in range(12)], [["0.123456(78)"] * 12])
    assert width(narrow) <= 6 < 60 < width(wide)
    styles = page.table_styles(narrow + wide)
    for html in (narrow, wide):
        assert f"@container (max-width: {width(html)}rem)" in styles
    assert styles.count("@container") == 2
    # Prose may break, so it asks for no more than a column of it.
    assert width(page.table(["a", "how"], [["1", "words " * 50]], ["name", "text"])) <= 24


def test_sections_have_links():
    body = page.section("What these numbers are", "<p>x</p>") + page.section("Checks", "<p>y</p>")
    links = page.contents(body)
    assert '<a href="#what-these-numbers-are">What these numbers are</a>' in links
    for name in re.findall(r'href="#([^"]+)"', links):
        assert f'id="{name}"' in body
    assert page.section("Nothing", "") == ""
    assert page.contents(page.section("One", "x")) == ""


def test_a_figure_says_what_is_seen():
    html = page.figure(b"png", "tau_int", 'Time of the "slowest" observable. Bars are errors.')
    assert 'alt="tau int: Time of the &quot;slowest&quot; observable"' in html


@pytest.mark.parametrize("name", [n for n in list_workflows() if n != "slurm"])
def test_the_config_of_a_page_is_the_run(name, tmp_path):
    """What the page shows is TOML, and means the same run."""
    import tomli_w

    config = load_config(find_workflow(name) / "config.toml")
    shown = tomli_w.dumps(_given(config.canonical(), {}))
    assert config_from_dict(tomllib.loads(shown)).canonical() == config.canonical()
