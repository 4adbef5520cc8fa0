"""The commands and their help.  Nothing heavy is imported before a command runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Annotated

import typer

from physgen.cli.import_data import import_data
from physgen.cli.numbers import export, merge, table
from physgen.cli.options import (
    ConfigPath,
    Force,
    Jobs,
    LogFile,
    Out,
    Points,
    Quiet,
    Runs,
    Set,
    Toy,
    Verbose,
)
from physgen.cli.paper import paper
from physgen.cli.validate_samples import validate_samples
from physgen.cli.warming import warm

app = typer.Typer(
    name="physgen",
    help="Samples, and numbers with honest error bars, from lattice systems.",
    epilog=(
        "Start with: physgen workflows list, then physgen workflows copy ising_criticality and "
        "physgen run ising_criticality/config.toml --out my_run. A config with \\[target] draws "
        "from a lattice system, by Markov chains and trained models; one with \\[system] or "
        "\\[data] reconstructs a quantum state."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
workflows = typer.Typer(help="List the shipped workflows, or copy one to start from.")
app.add_typer(workflows, name="workflows", no_args_is_help=True, rich_help_panel="Find out")
app.add_typer(paper, name="paper", no_args_is_help=True, rich_help_panel="Look at results")

DO, LOOK, FIND = "Do the work", "Look at results", "Find out"


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Answer what is asked of no command."""
    if version:
        import physgen as package

        typer.echo(f"physgen {package.__version__}")
        raise typer.Exit


def _command_of(last: str) -> Callable[..., None]:
    """Return the command that does the stages up to `last`."""

    def command(
        config: ConfigPath,
        out: Out,
        set_: Set = None,
        force: Force = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
        log_file: LogFile = None,
        points: Points = None,
        jobs: Jobs = 1,
        toy: Toy = False,
    ) -> None:
        from physgen.cli.listening import Talk
        from physgen.cli.work import work

        talk = Talk(quiet, verbose, log_file)
        work(last, config, out, set_ or [], force, talk, points, jobs, toy)

    return command


STAGES = {
    "run": (
        "report",
        """Do everything, up to the report.

        A lattice system: sample, train, draw, validate, report (train and draw where it has a
        model).  A reconstruction: generate, train, sample, validate, report.  Whatever DIR
        already holds is kept, so the same command finishes an interrupted run.
        """,
    ),
    "generate": (
        "generate",
        "Reconstruction: find the ground state and measure it, or import a data file.",
    ),
    "train": (
        "train",
        r"""Fit every model of the config, and keep the weights that validation prefers.

        With \[target]: one fit at every point of the scan, on the action alone (reverse KL), or
        on configurations of the first \[sampler], which are drawn first.  With \[system] or
        \[data]: to measurement outcomes or configurations, by maximum likelihood; the data are
        generated first if need be.

        SIGTERM or Ctrl-C writes a checkpoint and stops; the same command, or
        `physgen resume DIR`, continues.
        """,
    ),
    "sample": (
        "sample",
        r"""Run the Markov chains of a lattice system, or draw outcomes from a trained model.

        With \[target]: every lattice size, coupling and sampler of the scan in turn, streamed to
        DIR/run.h5; progress tells site updates a second, tau_int and R-hat as they come.
        SIGTERM or Ctrl-C writes a checkpoint and stops; the same command, or
        `physgen resume DIR`, goes on to the identical draws, also after kill -9.

        With \[system] or \[data]: draws from the network, which is trained first if need be.
        """,
    ),
    "draw": (
        "draw",
        r"""Draw from the trained models of a lattice system, with weights where it has an action.

        With \[target] and \[model]: chains are run and models are trained first if need be.
        Draws come in blocks; a kill loses at most one.
        """,
    ),
    "validate": (
        "validate",
        """Turn draws into numbers with errors, beside exact values.

        A lattice system: estimates at every point from every generator, pulls, log Z, Binder
        crossings, all side by side.  A reconstruction: fidelity, divergences and observables of
        model and state.
        """,
    ),
}
for _name, (_last, _help) in STAGES.items():
    app.command(_name, help=dedent(_help), rich_help_panel=DO)(_command_of(_last))
app.command("import-data", rich_help_panel=DO)(import_data)
app.command(rich_help_panel=DO)(warm)
app.command("validate-samples", rich_help_panel=LOOK)(validate_samples)


@app.command(rich_help_panel=DO)
def resume(
    run_dir: Annotated[Path, typer.Argument(metavar="DIR", help="An interrupted run.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
    log_file: LogFile = None,
) -> None:
    """Continue an interrupted run, to the identical result."""
    from physgen.cli.listening import Talk
    from physgen.cli.work import resume as resume_run

    resume_run(run_dir, Talk(quiet, verbose, log_file))


@app.command(rich_help_panel=DO)
def gather(
    run_dir: Annotated[
        Path, typer.Argument(metavar="DIR", help="A run whose shares (--points) are finished.")
    ],
    quiet: Quiet = False,
    verbose: Verbose = False,
    log_file: LogFile = None,
) -> None:
    """Bring the shares of a scan together, and finish the run."""
    from physgen.cli.listening import Talk
    from physgen.cli.work import gather as gather_shares

    gather_shares(run_dir, Talk(quiet, verbose, log_file))


@app.command(rich_help_panel=LOOK)
def report(runs: Runs) -> None:
    """Write report.html and figures anew, and print the table."""
    from physgen.cli.look import report as report_runs

    report_runs(runs)


@app.command(rich_help_panel=LOOK)
def plot(
    runs: Runs,
    kind: Annotated[
        str, typer.Option("--format", "-f", help="png, pdf or svg.", metavar="FORMAT")
    ] = "png",
) -> None:
    """Write the figures of each run into DIR/figures."""
    from physgen.cli.look import plot as plot_runs

    plot_runs(runs, kind)


@app.command(rich_help_panel=LOOK)
def compare(
    runs: Runs,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one page with all tables and figures."),
    ] = None,
    latex: Annotated[
        Path | None,
        typer.Option("--latex", metavar="FILE", help="Write the tables for booktabs and siunitx."),
    ] = None,
) -> None:
    r"""Print runs side by side, and where their configs differ.

    Families are compared within a run: \[compare] in its config adds likelihoods and two-sample
    tests of every generator.
    """
    from physgen.cli.look import compare as compare_runs

    compare_runs(runs, html, latex)


for _command in (merge, table, export):
    app.command(rich_help_panel=LOOK)(_command)


@app.command(rich_help_panel=LOOK)
def cite(
    run_dir: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A run.")] = None,
    paper_: Annotated[
        bool, typer.Option("--paper", help="The works of the paper: paper/refs.bib.")
    ] = False,
    zenodo: Annotated[
        bool, typer.Option("--zenodo", help="The description of a release: .zenodo.json.")
    ] = False,
) -> None:
    """Print BibTeX for exactly the methods that a run used; without a run, for physgen."""
    from physgen.cli.look import cite as cite_run

    cite_run(run_dir, paper_, zenodo)


@app.command(rich_help_panel=FIND)
def systems(
    action: Annotated[
        str, typer.Argument(metavar="[show]", help="The word may be left out.")
    ] = "list",
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The system to tell about.")
    ] = None,
) -> None:
    """List the catalogue, or tell about the system NAME and its exact values."""
    from physgen.cli.find import systems as find_systems

    find_systems(action, name)


@app.command(rich_help_panel=FIND)
def models() -> None:
    r"""List the families of models: what a \[model] may name, and how it may be trained."""
    from physgen.cli.find import models as find_models

    find_models()


@app.command(rich_help_panel=FIND)
def config(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="lattice or reconstruction: the kind of run.")
    ],
    section: Annotated[
        str | None, typer.Argument(metavar="[SECTION]", help="One section, such as train.")
    ] = None,
) -> None:
    """List every key that a config may hold, with its default and its meaning."""
    from physgen.cli.keys import print_keys

    print_keys(kind, section)


@workflows.command("list")
def workflows_list() -> None:
    """List the shipped workflows."""
    from physgen.cli.find import list_workflows

    list_workflows()


@workflows.command("copy")
def workflows_copy(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    dest: Annotated[
        Path | None, typer.Argument(metavar="[DEST]", help="Folder to make (default: ./NAME).")
    ] = None,
) -> None:
    """Copy a workflow (config, README, Snakefile) to build on."""
    from physgen.cli.find import copy_workflow

    copy_workflow(name, dest)


@app.command(rich_help_panel=FIND)
def info() -> None:
    """Show versions, devices and threads."""
    from physgen.cli.find import info as show_info

    show_info()
