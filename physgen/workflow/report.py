"""The report: one HTML file with the table, the figures, and where everything came from.

Nothing in it is loaded from elsewhere: the style is inline, the figures are embedded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import tomli_w
import xarray as xr

from physgen.core.checks import is_list, is_mapping
from physgen.results import bibtex, open_run, run_directory
from physgen.results.atomic import replacing
from physgen.workflow import page
from physgen.workflow.figures import write_figures
from physgen.workflow.job import Job
from physgen.workflow.kinds import job_of
from physgen.workflow.summary import Summary, configuration
from physgen.workflow.tables import summarize

__all__ = ["render_report", "write_report"]


def write_report(run_dir: str | Path, tree: xr.DataTree | None = None) -> Path:
    """Write ``DIR/figures`` and ``DIR/report.html`` of a run; return the path of the page.

    Parameters
    ----------
    run_dir : path
    tree : DataTree, optional
        The run, if it is open.
    """
    run_dir = run_directory(run_dir)
    tree = open_run(run_dir) if tree is None else tree
    figures = write_figures(run_dir, tree=tree)
    text = render_report(tree, {name: path.read_bytes() for name, path in figures.items()})
    path = run_dir / "report.html"
    with replacing(path) as file:
        file.write(text.encode(errors="backslashreplace"))
    return path


def render_report(tree: xr.DataTree, figures: Mapping[str, bytes]) -> str:
    """Return the page of an open run, with `figures` (PNG by name) embedded."""
    summary, config = summarize(tree), configuration(tree)
    title = config.get("report", {}).get("title") or summary.title
    parts = [
        _warnings(summary),
        *(page.section(table.heading, page.filled(table)) for table in reversed(summary.tables)),
        page.section("Figures", _figures(figures, job_of(config))),
        page.section("What these numbers are", _exactness(tree, job_of(config))),
        page.section("Where they come from", _provenance(tree)),
    ]
    body = "\n".join(filter(None, parts))
    attrs = tree.attrs
    state = "finished" if int(attrs.get("complete", 0)) else "not finished yet"
    state += f"; {attrs.get('cpu_seconds', 0):.0f} s of CPU time"
    template = resources.files("physgen.workflow").joinpath("report.html").read_text("utf-8")
    return Template(template).substitute(
        title=escape(title),
        subtitle=escape(f"{summary.title}; {state}" if title != summary.title else state),
        contents=page.contents(body),
        tables=page.table_styles(body),
        body=body,
        footer=escape(f"physgen {attrs.get('physgen_version', '')}, {attrs.get('created', '')}"),
    )


def _warnings(summary: Summary) -> str:
    if not summary.warnings:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in summary.warnings)
    return page.section("Take care", f"<ul>{items}</ul>", kind="warnings")


def _figures(figures: Mapping[str, bytes], job: Job) -> str:
    blocks = [
        page.figure(figures[row.name], row.name, row.caption, wide=row.wide)
        for row in job.figures
        if row.name in figures
    ]
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
    return page.table(
        ("group", "exactness", "for", "how"), listed, ("name", "name", "name", "text")
    )


def _provenance(tree: xr.DataTree) -> str:
    hidden = ("config", "versions", "citations", "complete", "last_segment")
    attrs = {k: v for k, v in tree.attrs.items() if k not in hidden}
    rows = sorted((str(key), _text(value)) for key, value in attrs.items())
    versions = json.loads(tree.attrs.get("versions", "{}"))
    rows.append(("versions", ", ".join(f"{k} {v}" for k, v in sorted(versions.items()))))
    config = tomli_w.dumps(_given(configuration(tree), tree.attrs))
    citations = bibtex(json.loads(tree.attrs.get("citations", "[]")))
    return "\n".join(
        (
            page.table(("what", "value"), rows, ("name", "text")),
            f"<details><summary>Config</summary><pre>{escape(config)}</pre></details>",
            f"<details><summary>Please cite</summary><pre>{escape(citations)}</pre></details>",
        )
    )


def _given(config: Mapping[str, Any], attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a config as TOML can hold it: what is not given is left out, files have a path."""
    found = _without_none(config)
    for section, path in json.loads(attrs.get("files", "{}")).items():
        found[section]["file"] = path
    return found


def _without_none(value: Any) -> Any:
    if is_mapping(value):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(each) for each in value] if is_list(value) else value


def _text(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
