"""The report: one HTML file with the table, the figures, and where everything came from.

Nothing in it is loaded from elsewhere: the style is inline, the figures are embedded.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import xarray as xr

from physgen.results import bibtex, open_run, run_directory
from physgen.results.atomic import replacing
from physgen.workflow.figures import write_figures
from physgen.workflow.job import Job
from physgen.workflow.kinds import job_of
from physgen.workflow.summary import Summary, Table, configuration
from physgen.workflow.tables import summarize

__all__ = ["render_report", "write_report"]


def write_report(run_dir: str | Path) -> Path:
    """Write ``DIR/figures`` and ``DIR/report.html`` of a run; return the path of the page."""
    run_dir = run_directory(run_dir)
    figures = write_figures(run_dir)
    tree = open_run(run_dir)
    page = render_report(tree, {name: path.read_bytes() for name, path in figures.items()})
    path = run_dir / "report.html"
    with replacing(path) as file:
        file.write(page.encode())
    return path


def render_report(tree: xr.DataTree, figures: Mapping[str, bytes]) -> str:
    """Return the page of an open run, with `figures` (PNG by name) embedded."""
    summary, config = summarize(tree), configuration(tree)
    title = config.get("report", {}).get("title") or summary.title
    body = [
        _warnings(summary),
        *(_section(table.heading, _filled(table)) for table in reversed(summary.tables)),
        _section("Figures", _figures(figures, job_of(config))),
        _section("What these numbers are", _exactness(tree, job_of(config))),
        _section("Where they come from", _provenance(tree)),
    ]
    attrs = tree.attrs
    state = "finished" if int(attrs.get("complete", 0)) else "not finished yet"
    state += f"; {attrs.get('cpu_seconds', 0):.0f} s of CPU time"
    template = resources.files("physgen.workflow").joinpath("report.html").read_text("utf-8")
    return Template(template).substitute(
        title=escape(title),
        subtitle=escape(f"{summary.title}; {state}" if title != summary.title else state),
        body="\n".join(part for part in body if part),
        footer=escape(f"physgen {attrs.get('physgen_version', '')}, {attrs.get('created', '')}"),
    )


def _section(title: str, content: str, kind: str = "") -> str:
    if not content:
        return ""
    css = f' class="{kind}"' if kind else ""
    return f"<section{css}><h2>{escape(title)}</h2>\n{content}\n</section>"


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str] | None = None
) -> str:
    """Return an HTML table; `classes` are those of the columns (default: name, then numbers)."""
    classes = classes or ["name"] + [""] * (len(head) - 1)

    def line(tag: str, cells: Sequence[str]) -> str:
        marked = zip(cells, classes)
        return "".join(f'<{tag} class="{c}">{escape(cell)}</{tag}>' for cell, c in marked)

    body = "\n".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{line('th', head)}</tr></thead>\n<tbody>{body}</tbody></table>"


def _warnings(summary: Summary) -> str:
    if not summary.warnings:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in summary.warnings)
    return _section("Take care", f"<ul>{items}</ul>", kind="warnings")


def _filled(table: Table) -> str:
    """Return a table and its remarks; a head of two lines is written in one."""
    classes = [
        " ".join(filter(None, ("" if c.kind in ("number", "strong") else c.kind, c.source)))
        for c in table.columns
    ]
    head = [c.head.replace("\n", ", ") or "quantity" for c in table.columns]
    remarks = "".join(f'<p class="note">{escape(text)}</p>' for text in table.notes)
    return _table(head, table.rows, classes) + remarks


def _figures(figures: Mapping[str, bytes], job: Job) -> str:
    blocks: list[str] = []
    for row in job.figures:
        if row.name not in figures:
            continue
        source = base64.b64encode(figures[row.name]).decode("ascii")
        wide = ' class="wide"' if row.wide else ""
        blocks.append(
            f'<figure{wide}><img alt="{escape(row.name)}" src="data:image/png;base64,{source}">'
            f"<figcaption>{escape(row.caption)}</figcaption></figure>"
        )
    return f'<div class="figures">{"".join(blocks)}</div>' if blocks else ""


def _exactness(tree: xr.DataTree, job: Job) -> str:
    """Say of each group whether it is exact, asymptotic or approximate, and for what.

    Groups of one kind that say the same, of many points, are one row.
    """
    rows: dict[tuple[str, ...], list[str]] = {}
    for node in tree.subtree:
        attrs = node.attrs if node.data_vars else {}
        if "exactness" in attrs:
            name = job.group_of(node.path)
            how = str(attrs.get("estimator", "")) or job.groups.get(name, "")
            said = (name, str(attrs["exactness"]), str(attrs.get("exactness_for", "")), how)
            rows.setdefault(said, []).append(node.path.strip("/"))
    if not rows:
        return ""
    listed = [
        (paths[0] if len(paths) == 1 else f"{name} ({len(paths)} groups)", *said)
        for (name, *said), paths in rows.items()
    ]
    return _table(("group", "exactness", "for", "how"), listed, ("name", "name", "name", "text"))


def _provenance(tree: xr.DataTree) -> str:
    hidden = ("config", "versions", "citations", "complete", "last_segment")
    attrs = {k: v for k, v in tree.attrs.items() if k not in hidden}
    rows = sorted((str(key), _text(value)) for key, value in attrs.items())
    versions = json.loads(tree.attrs.get("versions", "{}"))
    rows.append(("versions", ", ".join(f"{k} {v}" for k, v in sorted(versions.items()))))
    config = json.dumps(configuration(tree), indent=2)
    citations = bibtex(json.loads(tree.attrs.get("citations", "[]")))
    return "\n".join(
        (
            _table(("what", "value"), rows, ("name", "text")),
            f"<details><summary>Config</summary><pre>{escape(config)}</pre></details>",
            f"<details><summary>Please cite</summary><pre>{escape(citations)}</pre></details>",
        )
    )


def _text(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
