"""The command import-data: its options and their help.  The work is in `physgen.cli.importing`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["import_data"]


def import_data(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Text, csv (also .gz), JSON, npy, npz or HDF5; one shot a line, or counts.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.h5", help="The data file to write.")
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="integers, onehot, bits, bits+bases or counts; or text, csv, json, npy, npz, "
            "hdf5. Told from the file where it can be.",
        ),
    ] = None,
    bases: Annotated[
        str | None,
        typer.Option(
            "--bases",
            metavar="FILE|LETTERS",
            help="Bases of the bits: a file of letters X, Y, Z, one line a shot, or letters for "
            "all shots, such as X or ZXZX.",
        ),
    ] = None,
    bases_order: Annotated[
        str | None,
        typer.Option(
            "--bases-order",
            metavar="XYZ",
            help="What integers for bases are: XYZ is 0 = X, 1 = Y, 2 = Z. Refused without it.",
        ),
    ] = None,
    povm: Annotated[
        str | None,
        typer.Option(
            "--povm",
            metavar="NAME",
            help="The measurement: pauli-6, pauli-4, tetrahedral, computational, ... or a file.",
        ),
    ] = None,
    outcome_order: Annotated[
        str | None,
        typer.Option(
            "--outcome-order",
            metavar="ORDER",
            help="Outcomes in the file's order, such as Z+,X+,Y+,Z-,X-,Y-; or aqt, povm-genmodel.",
        ),
    ] = None,
    bit_one: Annotated[
        str | None,
        typer.Option(
            "--bit-one",
            metavar="up|down",
            help="What bit 1 is: down (default), the -1 eigenstate; or up.",
        ),
    ] = None,
    reverse: Annotated[
        bool,
        typer.Option(
            "--reverse",
            help="The last of a string is site 0, as in counts of Qiskit.",
        ),
    ] = False,
    n_sites: Annotated[
        int | None,
        typer.Option(
            "--n-sites",
            metavar="L",
            help="Number of sites, for hexadecimal results and for more sites than shots.",
        ),
    ] = None,
    lost: Annotated[
        str | None,
        typer.Option(
            "--lost",
            metavar="drop|marginalise",
            help="Lost qubits (- ? _ * nan): leave out the shot, or the site.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore", metavar="NAME", help="A column or array to leave aside; may be repeated."
        ),
    ] = None,
    readout: Annotated[
        str | None,
        typer.Option(
            "--readout",
            metavar="FILE|E01,E10",
            help="Readout error of the bits: calibration counts or confusion matrices, of one "
            "qubit or of each; or the probabilities to read 1 for 0, and 0 for 1.",
        ),
    ] = None,
    settings: Annotated[
        str,
        typer.Option(
            "--settings",
            metavar="auto|keep|random",
            help="Keep labels of the settings: if they do not look random, always, or never.",
        ),
    ] = "auto",
    merge: Annotated[
        str | None,
        typer.Option("--merge", metavar="pauli-4", help="Merge pauli-6 outcomes, for good."),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            metavar="NAME",
            help="Name the Hamiltonian of the state, for its energy: a system of `physgen "
            "systems`. tfim-1d, H = -J sum ZZ - h sum X, if only parameters are given.",
        ),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="KEY=VALUE",
            help="A parameter of the system, such as Delta=0.5 of xxz-1d; may be repeated.",
        ),
    ] = None,
    J: Annotated[float | None, typer.Option("--J", help="The same as -p J=VALUE.")] = None,
    h: Annotated[float | None, typer.Option("--h", help="The same as -p h=VALUE.")] = None,
    boundary: Annotated[
        str | None,
        typer.Option("--boundary", metavar="open|periodic", help="The same as -p boundary=VALUE."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="TEXT", help="Where the shots come from, to be stored."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file at --out.")] = False,
) -> None:
    """Turn a measurement file of your lab, or of another program, into a data file.

    \b
    bits, and letters of their bases in a second file:
      physgen import-data bits.txt --bases bases.txt --out shots.h5
    both in one file, a line such as XZY 010:
      physgen import-data shots.txt --out shots.h5
    bits in the Z basis, of which 1 is up:
      physgen import-data bits.txt --format bits --bit-one up --out shots.h5
    outcomes 0..5 of pauli-6, in another order:
      physgen import-data shots.csv --povm pauli-6 --outcome-order X+,X-,Y+,Y-,Z+,Z- --out shots.h5
    one-hot, four numbers a site:
      physgen import-data data.txt --format onehot --povm pauli-4 --out shots.h5
    counts, such as {"XX": {"00": 512}}, whose last bit is qubit 0:
      physgen import-data counts.json --reverse --out shots.h5
    bits and recipes of a classical shadow, 0 = X, 1 = Y, 2 = Z:
      physgen import-data shadow.npz --bases-order XYZ --out shots.h5
    with the Hamiltonian whose ground state was measured:
      physgen import-data shots.txt --system xxz-1d -p Delta=0.5 --out shots.h5

    It prints what was read: look at it.  Then `physgen run` with
    --set data.file=shots.h5 takes the file.
    """  # noqa: D301  \b keeps the lines of the examples apart
    from physgen.cli.importing import import_data as import_file

    named = {"J": J, "h": h, "boundary": boundary}
    import_file(
        file,
        out,
        format=format_,
        bases=bases,
        bases_order=bases_order,
        povm=povm,
        outcome_order=outcome_order,
        bit_one=bit_one,
        reverse=reverse,
        n_sites=n_sites,
        lost=lost,
        readout=readout,
        ignore=tuple(ignore or ()),
        settings=settings,
        merge=merge,
        system=system,
        parameters=[
            *(parameters or ()),
            *(f"{key}={value}" for key, value in named.items() if value is not None),
        ],
        source=source,
        force=force,
    )
