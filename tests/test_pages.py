"""Pages say what the package has: extras, families, versions."""

import re
import tomllib

import pytest
from helpers.site import ROOT, site_module

import physgen as pg
from physgen.models.families import FAMILIES

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def page(name):
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def test_every_extra_is_explained():
    section = page("install").split("## Extras")[1].split("\n## ")[0]
    explained = re.findall(r"^\| `(\w+)` \|", section, flags=re.M)
    assert sorted(explained) == sorted(PROJECT["optional-dependencies"])


def test_python_versions_agree():
    assert PROJECT["requires-python"] == ">=3.11"
    assert "Python 3.11 or newer" in page("install")


def test_the_chooser_names_families_that_exist():
    rows = re.findall(r"^\|.*\|$", page("choosing-a-model"), flags=re.M)
    words = set(re.findall(r"`([a-z][\w-]+)`", " ".join(rows)))
    known = set(FAMILIES) | {"ess", "family", "smc"}
    assert words - known == set()
    assert len(words & set(FAMILIES)) > 20
    classes = set(re.findall(r"`([A-Z]\w+)`", " ".join(rows)))
    assert all(hasattr(pg, name) for name in classes)


def test_one_version_everywhere():
    version = PROJECT["version"]
    assert pg.__version__ == version
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {version}\n" in citation
    assert f"version = {{{version}}}" in page("asking")
    log = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## (\S+)", log, flags=re.M)[1] == version
    title = re.search(r'^title: "(.*)"', citation, flags=re.M)[1]
    assert f"{{{title}}}" in page("asking")


# What Markdown takes for a tag of HTML, and does not show: a mean such as <m>, a bond <xy>.
TAG = re.compile(r"(?<!\\)</?[A-Za-z][A-Za-z0-9-]*(?:\s+[A-Za-z_:][\w.:-]*)*\s*/?>")
links = site_module("links")
PAGES = [path for path in links.markdown(ROOT) if path.name != "RESULTS.md"]  # made by a program


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_mean_is_lost_as_a_tag(path):
    assert TAG.findall(links.prose(path.read_text(encoding="utf-8"))) == []


def test_a_lost_mean_is_found():
    code = "    print(<m>)\n\n```python\n<m>\n```\n`<m>`"
    text = f"c = <E^2> - <E>^2, V <abs m>\n\n{code} \\<m> <X_i>\n"
    assert TAG.findall(links.prose(text)) == ["<E>", "<abs m>"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_formula_becomes_a_list(path):
    """A line that goes on with "+ c" would be a point of a list; no list has that sign."""
    prose = links.prose(path.read_text(encoding="utf-8"))
    assert re.findall(r"^ {0,3}[+] .*$", prose, flags=re.M) == []
