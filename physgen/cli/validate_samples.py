"""The command validate-samples: its options and their help.  The work is in `cli.samples`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["validate_samples"]


def validate_samples(
    samples: Annotated[
        Path,
        typer.Argument(
            metavar="SAMPLES",
            help="Configurations, of any program: npy, npz, HDF5 or netCDF, an array (n, ...) or "
            "(chain, draw, ...); or a run that kept its configurations.",
        ),
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            "-r",
            metavar="FILE",
            help="Samples to compare with, such as converged Markov chains.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            metavar="NAME",
            help="A system with an action (`physgen systems`): its action becomes a feature, and "
            "a force is tested without any reference.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="KEY=VALUE",
            help="A parameter of the target, e.g. --set L=16 --set beta=0.44. Repeatable.",
        ),
    ] = None,
    tests: Annotated[
        list[str] | None,
        typer.Option(
            "--test",
            metavar="NAME",
            help="Make this test only: observables, ks, mmd, mmd-features, sliced-w2, "
            "energy-distance, c2st, c2st-raw, stein or kernel-stein. Repeatable.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="NAME",
            help="The group or array of SAMPLES, where it holds several.",
        ),
    ] = None,
    reference_group: Annotated[
        str | None,
        typer.Option("--reference-group", metavar="NAME", help="The same of the reference."),
    ] = None,
    n_max: Annotated[
        int,
        typer.Option(
            "--n-max",
            metavar="N",
            help="Samples of each set that tests of quadratic cost use; means use all.",
        ),
    ] = 2000,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Of permutations, projections and folds.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.h5", help="Write the numbers to a new file too."
        ),
    ] = None,
) -> None:
    """Test whether samples, from anywhere, have the distribution of a reference or a target.

    \b
    samples of a model against Markov chains:
      physgen validate-samples samples.npy --reference mcmc.h5
    with the action, which finds more:
      physgen validate-samples samples.h5 --reference mcmc.h5
        --target ising-2d --set L=16 --set beta=0.44
    against the action alone (Stein identities of a field):
      physgen validate-samples samples.h5
        --target phi4-2d --set L=16 --set kappa=0.27 --set lam=0.022

    \b
    How to read it:
      z         difference of means in errors, which know the
                autocorrelation of chains
      expected  what a test gives for equal distributions, with its spread:
                a distance alone means nothing
      p         probability of such a value by chance; a large one only says
                that this test saw nothing with so many samples

    Stein tests cannot see a lost well that is far from the others.
    """  # noqa: D301  \b keeps the lines of the examples apart
    from physgen.cli.samples import validate_samples as validate

    validate(
        samples,
        reference,
        target,
        set_ or [],
        tests or None,
        group,
        reference_group,
        n_max,
        seed,
        out,
    )
