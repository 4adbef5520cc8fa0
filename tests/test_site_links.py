"""Links: the repository's lead somewhere, and the check finds each kind of fault."""

import pytest
from helpers.site import ROOT, site_module

links = site_module("links")

GOOD = """<!doctype html><html><head><link rel="stylesheet" href="style.css">
<script src="script.js"></script></head><body id="here">
<a href="#here">this</a> <a href="more/other.html#part">that</a> <a href="file.txt">text</a>
<a href="https://physgen.example.org/page">outside</a> <img src="data:image/png;base64,AA==">
</body></html>"""


@pytest.fixture
def built(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "more" / "other.html").write_text('<a id="part" href="../index.html">back</a>')
    (tmp_path / "file.txt").write_text("text")
    (tmp_path / "style.css").write_text("/* url(gone.png) */ p { color: red; }")
    (tmp_path / "script.js").write_text('document.createElementNS("http://www.w3.org/2000/svg");')
    return tmp_path


def test_every_link_of_the_repository_leads_somewhere():
    found = links.of_repository()
    assert found.pages > 40
    assert found.links > 150
    assert found.faults == []


def test_a_whole_site_has_no_fault(built):
    found = links.of_site(built)
    assert (found.pages, found.links, found.faults) == (2, 5, [])
    assert found.external == {"https://physgen.example.org/page"}


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("index.html", "file.txt", "gone.txt", "leads nowhere: index.html: gone.txt"),
        ("index.html", "#here", "#gone", "leads nowhere: index.html: #gone"),
        ("index.html", "#part", "#whole", "leads nowhere: index.html: more/other.html#whole"),
        ("index.html", "physgen.example.org", "physgen", "is no address: index.html: https"),
        ("index.html", "/page", "/page.", "is no address: index.html: https"),
        ("index.html", "https:", "htp:", "is no address: index.html: htp:"),
        ("index.html", "script.js", "//cdn.net/a.js", "elsewhere: index.html: //cdn.net/a.js"),
        (
            "index.html",
            "data:image/png;base64,AA==",
            "https://a.bc/d.png",
            "elsewhere: index.html",
        ),
        ("index.html", "</body>", "<p style='background: url(https://a.bc/d)'>", "elsewhere"),
        ("index.html", "</body>", "<style>@import 'https://a.bc/d';</style>", "elsewhere"),
        ("index.html", "</body>", "<script>import('https://a.bc/d')</script>", "elsewhere"),
        ("style.css", "color: red", "src: url('//a.bc/d.woff')", "elsewhere: style.css"),
        ("style.css", "color: red", "src: url(font.woff)", "leads nowhere: style.css"),
        ("script.js", "document", "fetch('https://a.bc/d'); document", "elsewhere: script.js"),
    ],
)
def test_each_fault_is_found(built, file, old, new, fault):
    path = built / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    faults = links.of_site(built).faults
    assert any(fault in one for one in faults), faults


def test_faults_of_the_repository_are_found(tmp_path):
    (tmp_path / "a.md").write_text(
        "# A page: of two\n\n[good](b.md#a-part) [bad](b.md#part) [gone](c.md) `[code](d.md)`\n"
        "```\n[code](e.md)\n```\n"
    )
    (tmp_path / "b.md").write_text("## A part\n\n[back](a.md#a-page-of-two)\n")
    assert links.of_repository(tmp_path).faults == [
        "leads nowhere: a.md: b.md#part",
        "leads nowhere: a.md: c.md",
    ]


def test_the_command_says_what_is_wrong(built, capsys):
    assert links.main([str(built)]) == 0
    (built / "file.txt").unlink()
    assert links.main([str(built)]) == 1
    seen = capsys.readouterr()
    assert "site: leads nowhere: index.html: file.txt" in seen.err
    assert "site: 5 links on 2 pages, 1 at fault" in seen.out


def test_headings_are_named_as_in_an_editor(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# How *exact* is `log Z`?\n## A-b c_d\n## A-b c_d\n```\n# a comment\n```\n")
    assert links.headings(page) == {"how-exact-is-log-z", "a-b-c_d", "a-b-c_d-1"}


def test_make_docs_checks_links():
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.split("\ndocs: ")[1].split("\n\n")[0]
    assert "docs/_site/links.py build/site" in recipe
