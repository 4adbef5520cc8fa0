"""``physgen paper``: published numbers beside ours; list, show, run and build them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from physgen.claims import Claim
    from physgen.workflow.summary import Table

__all__ = ["paper"]

paper = typer.Typer(
    help="Published numbers beside ours, with a pull and a verdict; each rebuilt by one command."
)
Folder = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder of records, tables and the document (default: paper/ of the checkout, "
        "./paper elsewhere).",
    ),
]
EXIT_CHANGED = 1  # a verdict is not the one that is stated


@paper.command("list")
def list_claims(out: Folder = None) -> None:
    """List the claims: their numbers, verdicts, and what a rebuild costs."""
    from physgen.claims import load_claims, read_records
    from physgen.claims.tables import claims_table

    claims, folder = load_claims(), _folder(out, make=False)
    _print(claims_table({c.name: read_records(folder, c) for c in claims}, claims))


@paper.command("show")
def show(
    names: Annotated[list[str], typer.Argument(metavar="CLAIM...")], out: Folder = None
) -> None:
    """Show the numbers of claims, published and ours, as they were last computed."""
    from physgen.claims import load_claim, read_records
    from physgen.claims.tables import numbers_table

    for claim in map(load_claim, names):
        print(f"{claim.work}\n{claim.url}")
        _print(numbers_table(claim, read_records(_folder(out, make=False), claim)))


@paper.command("run")
def run(
    names: Annotated[list[str] | None, typer.Argument(metavar="[CLAIM...]")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every claim, the cheapest first; none on a GPU.")
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="CPU time for --all, e.g. 30min or 2h."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="With --all: also what was computed from these very files."),
    ] = False,
    out: Folder = None,
) -> None:
    """Compute the numbers of claims again, and write a record of each.

    A claim is on disk before the next one begins, so an interrupted --all goes on where it was.
    Ends with status 1 if a verdict is another than published.toml states.
    """
    from physgen.claims import load_claim, load_claims
    from physgen.claims.rebuilding import rebuild, rebuild_all
    from physgen.claims.records import records_are_current
    from physgen.claims.tables import numbers_table
    from physgen.core.errors import InputError
    from physgen.training.settings import parse_seconds

    if bool(names) == everything or ((budget is not None or again) and not everything):
        raise InputError(
            "physgen paper run must be told what: names of claims (physgen paper list), or --all, "
            "which may have a --budget and --again; a claim that is named is always computed"
        )
    folder = _folder(out)
    minutes = float("inf") if budget is None else parse_seconds(budget) / 60
    due: list[Claim] = []
    kept = 0
    if everything:
        every = load_claims()
        due = [c for c in every if again or not records_are_current(folder, c)]
        kept = len(every) - len(due)
        ended = rebuild_all(due, folder, minutes, again=True, tell=_tell)
    else:
        ended = (rebuild(claim, folder, _tell) for claim in [load_claim(n) for n in names or ()])
    changed: list[str] = []
    for done in ended:
        due = [claim for claim in due if claim.name != done.claim.name]
        _print(numbers_table(done.claim, done.found))
        print(f"{done.claim.name}: {done.seconds:.1f} CPU s")
        changed += [
            f"{done.claim.name} {one.row.key}: {one.row.verdict} is stated, {one.verdict} found"
            for one in done.changed
        ]
    if kept:
        print(f"kept: {kept}, computed from these very files; --again computes them too")
    if due:
        lacking = (
            "needs a GPU" if c.device == "gpu" else f"{c.minutes:g} CPU min, beyond the budget"
            for c in due
        )
        left = (f"{c.name} ({why})" for c, why in zip(due, lacking, strict=True))
        print(f"not computed: {', '.join(left)}")
    for line in changed:
        print(f"physgen: {line}", file=sys.stderr)
    if changed:
        raise typer.Exit(EXIT_CHANGED)


@paper.command("build")
def build(out: Folder = None) -> None:
    """Write tables, figures and numbers of all claims, and main.pdf where TeX is installed."""
    from physgen.claims import load_claims, read_records
    from physgen.claims.document import compile_document, write_assets

    claims, folder = load_claims(), _folder(out)
    paths = write_assets(folder, claims, {c.name: read_records(folder, c) for c in claims})
    print(f"{len(paths)} files in {folder / 'assets'}")
    document = compile_document(folder)
    if document is None:
        print("no main.pdf: latexmk is not installed (Debian: latexmk texlive-publishers)")
    else:
        print(document)


def _folder(out: Path | None, make: bool = True) -> Path:
    """Return the folder to work in; in a checkout its own, elsewhere one that begins as a copy."""
    from physgen.claims.claim import working_folder

    return working_folder(out, make)


def _tell(key: str, k: int, n: int) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{k + 1}/{n} {key}"[:100], end="\r" * (k == n - 1), file=sys.stderr)


def _print(table: Table) -> None:
    from physgen.cli.console import stdout
    from physgen.cli.layout import tables
    from physgen.workflow.summary import Summary

    console = stdout()
    for part in tables(Summary(table.heading, (table,)), console.width):
        console.print(part)
    for note in table.notes:
        console.print(note, style="dim", highlight=False, markup=False)
