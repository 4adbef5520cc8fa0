"""Parts of an HTML page: sections with anchors, tables that no width cuts, figures.

A table that is wider than its section becomes a list of cards, one a row, by a container query;
its width is estimated from the characters it holds.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

from physgen.workflow.summary import Table

__all__ = ["anchor", "contents", "figure", "filled", "section", "table", "table_styles"]

_STEP = 2  # rem between the widths that are told apart
_MOST = 120  # rem, wider than any screen
_CHARACTER, _PADDING, _TEXT = 0.56, 1.3, 16.0  # rem: a character, the air of a column, prose


def section(title: str, content: str, kind: str = "") -> str:
    """Return a section with an anchor; nothing without content."""
    if not content:
        return ""
    css = f' class="{kind}"' if kind else ""
    return (
        f'<section id="{anchor(title)}"{css}><h2>{escape(title)}</h2>\n<div class="fit">{content}'
        "</div>\n</section>"
    )


def anchor(title: str) -> str:
    """Return the name of a section in links."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def contents(page: str) -> str:
    """Return links to all sections of a page."""
    found = re.findall(r'<section id="([^"]+)"[^>]*><h2>(.*?)</h2>', page)
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in found)
    return f'<nav aria-label="Contents">{links}</nav>' if len(found) > 1 else ""


def filled(shown: Table) -> str:
    """Return a table of a summary and its remarks."""
    classes = [
        " ".join(filter(None, ("" if c.kind in ("number", "strong") else c.kind, c.source)))
        for c in shown.columns
    ]
    head = [c.head.replace("\n", " ") or "quantity" for c in shown.columns]
    remarks = "".join(f'<p class="note">{escape(text)}</p>' for text in shown.notes)
    return table(head, shown.rows, classes) + remarks


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str] | None = None
) -> str:
    """Return an HTML table without its empty columns.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequences of str
    classes : sequence of str, optional
        Of the columns; by default the first holds names and the others numbers.
    """
    listed = list(rows)
    classes = classes or ["name"] + [""] * (len(head) - 1)
    kept = [k for k in range(len(head)) if any(row[k] for row in listed)]

    def cell(row: Sequence[str], k: int) -> str:
        about, label = f'class="{classes[k]}"', escape(head[k], quote=True)
        if k == kept[0]:
            return f'<th scope="row" {about} data-head="{label}">{escape(row[k])}</th>'
        return f'<td {about} data-head="{label}">{escape(row[k])}</td>'

    heads = "".join(f'<th scope="col" class="{classes[k]}">{escape(head[k])}</th>' for k in kept)
    body = "\n".join(f"<tr>{''.join(cell(row, k) for k in kept)}</tr>" for row in listed)
    return (
        f'<table class="w{_width(head, listed, classes, kept)}"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{body}</tbody></table>"
    )


def _width(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    classes: Sequence[str],
    kept: Sequence[int],
) -> int:
    """Return the least width of a table in rem, rounded up to a step."""
    total = 0.0
    for k in kept:
        words = [*(row[k] for row in rows), *head[k].split()]
        longest = _CHARACTER * max(map(len, words), default=0)
        total += _PADDING + (min(longest, _TEXT) if "text" in classes[k] else longest)
    return min(_MOST, _STEP * (int(total / _STEP) + 1))


def table_styles(page: str) -> str:
    """Return the rules that turn each table of a page into cards where it does not fit."""
    widths = sorted({int(w) for w in re.findall(r'<table class="w(\d+)"', page)})
    return "\n".join(f"@container (max-width: {w}rem) {{ {_CARDS.replace('#', f'.w{w}')} }}"
                     for w in widths)  # fmt: skip


_CARDS = (
    "#, # tbody, # tr, # td, # th { display: block; } "
    "# thead { position: absolute; width: 1px; height: 1px; overflow: hidden; "
    "clip-path: inset(50%); } "
    "# tr { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .8rem; "
    "margin: 0 0 .7rem; } "
    "# td, # th { border: 0; padding: .12rem 0; text-align: left; white-space: normal; "
    "overflow-wrap: anywhere; } "
    "# td:empty { display: none; } "
    "# td::before, # th.axis::before { content: attr(data-head) ' '; color: var(--quiet); "
    "font-weight: 400; }"
)


def figure(image: bytes, name: str, caption: str, *, wide: bool = False) -> str:
    """Return a figure with its caption; the alternative text says what is plotted."""
    source = base64.b64encode(image).decode("ascii")
    css = ' class="wide"' if wide else ""
    alt = escape(f"{name.replace('_', ' ')}: {caption.split('. ')[0].rstrip('.')}", quote=True)
    return (
        f'<figure{css}><img alt="{alt}" src="data:image/png;base64,{source}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
