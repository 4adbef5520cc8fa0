"""Links of the built site and of the repository's pages, checked without a network.

    python docs/_site/links.py build/site [--external]

A link inside must lead to a file that is there, and its #anchor to an element of it.  A link
outside must be a well-formed address; ``--external`` lists them.  Nothing that a page needs to be
drawn (script, style, font, picture) may come from elsewhere.  Pages of the repository, as an
editor shows them, must name files and headings that are there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
REFERENCE = Path("docs/api")  # pages that are written when the site is built
# Attributes by which a browser fetches something to draw a page.
_NEEDS = {
    "script": ["src"], "img": ["src", "srcset"], "iframe": ["src"], "source": ["src", "srcset"],
    "object": ["data"], "embed": ["src"], "video": ["src", "poster"], "audio": ["src"],
    "use": ["href"],
}  # fmt: skip
_NEEDED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "manifest", "preconnect"}
_CSS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
_SCRIPT = re.compile(r"(?:fetch|import|open|src\s*=)\s*\(?\s*['\"`]((?:https?:)?//[^'\"`]+)")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?", re.IGNORECASE)
_FENCE = re.compile(
    r"^([ \t]*)(```+|~~~+).*?^\1\2[^\n]*$|^(?: {4}|\t)[^\n]*$|`[^`\n]+`", re.M | re.S
)
_LINK = re.compile(r"\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")


@dataclass
class Found:
    """What was found; each entry says where, and what the link is.

    Attributes
    ----------
    dead, malformed, fetched : list of str
        Links that lead nowhere; addresses that are none; what pages need from elsewhere.
    external : set of str
        Addresses outside.
    pages, links : int
        How many were looked at.
    """

    dead: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    external: set[str] = field(default_factory=set)
    pages: int = 0
    links: int = 0

    @property
    def faults(self) -> list[str]:
        """All that must not be."""
        return [
            *(f"leads nowhere: {one}" for one in self.dead),
            *(f"is no address: {one}" for one in self.malformed),
            *(f"comes from elsewhere: {one}" for one in self.fetched),
        ]


class Page(HTMLParser):
    """The links of a page, what it needs, its anchors, and the styles and scripts inside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.needs: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.inside = {"style": "", "script": ""}
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a tag links to, needs and names."""
        has = {name: value or "" for name, value in attrs}
        self.anchors |= {has[name] for name in ("id", "name") if name in has}
        self._within = tag if tag in self.inside else ""
        self.inside["style"] += has.get("style", "") + "\n"
        if tag in ("a", "area") and "href" in has:
            self.links.append(has["href"])
        if tag == "link" and _NEEDED_LINKS & set(has.get("rel", "").split()):
            self.needs.append(has.get("href", ""))
        for name in _NEEDS.get(tag, ()):
            if has.get(name):
                several = has[name].split(",") if name == "srcset" else [has[name]]
                self.needs += [one.split()[0] for one in several]

    def handle_endtag(self, tag: str) -> None:
        """Leave a style or script."""
        self._within = ""

    def handle_data(self, data: str) -> None:
        """Keep the text of styles and scripts."""
        if self._within:
            self.inside[self._within] += data


def of_site(site: Path) -> Found:
    """Return what the built pages link to and need."""
    found = Found()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found.pages = len(pages)
    for path, page in pages.items():
        where = path.relative_to(site)
        for link in page.links:
            found.links += 1
            if _outside(link, str(where), found):
                continue
            at, anchor = _target(path, link)
            there = pages.get(at)
            if not at.is_file() or (there is not None and anchor not in there.anchors):
                found.dead.append(f"{where}: {link}")
        needs = [*page.needs, *_of_styles(page.inside["style"])]
        needs += _SCRIPT.findall(page.inside["script"])
        _needed(path, needs, site, found)
    for path in sorted(site.rglob("*.css")):
        _needed(path, _of_styles(path.read_text(encoding="utf-8")), site, found)
    for path in sorted(site.rglob("*.js")):
        _needed(path, _SCRIPT.findall(path.read_text(encoding="utf-8")), site, found)
    return found


def of_repository(root: Path = ROOT) -> Found:
    """Return what the Markdown pages of the repository link to."""
    found = Found()
    for path in sorted(markdown(root)):
        found.pages += 1
        for link in _LINK.findall(prose(path.read_text(encoding="utf-8"))):
            found.links += 1
            where = f"{path.relative_to(root)}"
            if _outside(link, where, found):
                continue
            at, anchor = _target(path, link)
            if at.parent == (root / REFERENCE).resolve():
                continue
            known = not anchor or (at.suffix == ".md" and at.is_file() and anchor in headings(at))
            if not at.exists() or not known:
                found.dead.append(f"{where}: {link}")
    return found


def markdown(root: Path) -> Iterator[Path]:
    """Yield the Markdown pages of the repository, without what is built."""
    built = {"build", "runs", "dist", "api", "node_modules"}
    for path in root.rglob("*.md"):
        parts = path.relative_to(root).parts
        if not any(part in built or part.startswith((".", "_")) for part in parts):
            yield path


def prose(text: str) -> str:
    """Return a Markdown page without its code."""
    return _FENCE.sub("", text)


@cache
def headings(path: Path) -> set[str]:
    """Return the anchors of the headings of a Markdown page, as GitHub names them."""
    anchors: dict[str, int] = {}
    text = re.sub(r"^(```+).*?^\1[^\n]*$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for title in re.findall(r"^#+ +(.*?)\s*$", text, flags=re.M):
        title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()
        name = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        anchors[name] = anchors.get(name, -1) + 1
        if anchors[name]:
            anchors[f"{name}-{anchors[name]}"] = 0
    return set(anchors)


def _target(path: Path, link: str) -> tuple[Path, str]:
    parts = urlsplit(link)
    at = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
    return at, unquote(parts.fragment)


def _outside(link: str, where: str, found: Found) -> bool:
    """Whether a link leads outside; if so it is listed, and checked for its form."""
    parts = urlsplit(link)
    if not parts.scheme and not parts.netloc:
        return False
    found.external.add(link)
    if parts.scheme == "mailto":
        good = re.fullmatch(r"[^@\s]+@[^@\s]+", parts.path)
    else:
        good = parts.scheme in ("http", "https") and _HOST.fullmatch(parts.netloc)
    if not good or re.search(r"[\s<>\"{}|\\^`]|[.,;]$", link):
        found.malformed.append(f"{where}: {link}")
    return True


def _of_styles(text: str) -> list[str]:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return [one or other for one, other in _CSS.findall(text)]


def _needed(path: Path, needs: list[str], site: Path, found: Found) -> None:
    for one in needs:
        where = f"{path.relative_to(site)}: {one[:80]}"
        if one.startswith(("data:", "#")):
            continue
        if urlsplit(one).scheme or one.startswith("//"):
            found.fetched.append(where)
        elif not _target(path, one)[0].is_file():
            found.dead.append(where)


def main(argv: list[str]) -> int:
    """Print what is wrong, and how much was looked at; return 1 if something is."""
    site = Path(argv[0]).resolve()
    wrong = []
    for name, found in (("site", of_site(site)), ("repository", of_repository())):
        wrong += [f"{name}: {fault}" for fault in found.faults]
        print(f"{name}: {found.links} links on {found.pages} pages, {len(found.faults)} at fault")
        if "--external" in argv:
            print("\n".join(sorted(found.external)))
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
