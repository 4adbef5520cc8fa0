"""Import of measurement files of other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.quantum.bases import Bases
from physgen.quantum.data import MeasurementData
from physgen.quantum.importing import coding
from physgen.quantum.importing.arrays import is_data_file
from physgen.quantum.importing.bases import check_order
from physgen.quantum.importing.bits import bits_and_bases, refuse
from physgen.quantum.importing.lost import RULES, LostQubits
from physgen.quantum.importing.marks import BadRow
from physgen.quantum.importing.orientation import oriented
from physgen.quantum.importing.readouts import measured
from physgen.quantum.importing.records import Record
from physgen.quantum.importing.sources import TextShots, kind_of, open_shots
from physgen.quantum.outcome_orders import outcome_table
from physgen.quantum.povm import POVM
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.randomness import FALSE_ALARM, random_p
from physgen.quantum.settings import label_settings
from physgen.quantum.site_povm import SitePOVM

__all__ = ["FORMATS", "import_measurements"]

FORMATS = ("text", "csv", "json", "npy", "npz", "hdf5", *coding.CODINGS, "counts")


def import_measurements(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    povm: POVM | SitePOVM | str | None = None,
    bases: str | PathLike[str] | None = None,
    bases_order: str | None = None,
    outcome_order: str | Sequence[str] | None = None,
    bit_one: str | None = None,
    reverse: bool = False,
    n_sites: int | None = None,
    lost: str | None = None,
    ignore: Sequence[str] = (),
    readout: Any = None,
    settings: str = "auto",
    attrs: Mapping[str, Any] | None = None,
) -> MeasurementData:
    """Read a measurement file of any supported format.

    Parameters
    ----------
    path : path
        Text or csv (also gzipped), one shot a line, or a table with names in its first line; JSON;
        npy, npz or HDF5.  A data file of physgen is read unchanged.
    format : str, optional
        Meaning of the numbers: "integers", "onehot", "bits", "bits+bases", or "counts" where each
        line says how often it was seen; or kind of file, "text", "csv", "json", "npy", "npz" or
        "hdf5".  By default determined from the file, if possible.
    povm : POVM, SitePOVM or str, optional
        The measurement, with its noise if that is known; required for integers and one-hot.
    bases : path or str, optional
        The bases of bits: a file, one line a shot; or letters for all shots, "Z" or, one a site,
        "ZXZX".  By default those in the file; without any, all bits were measured in Z.
    bases_order : str, optional
        What integers for bases are: "XYZ" is 0 = X, 1 = Y, 2 = Z.  They are refused without it.
    outcome_order : str or sequence of str, optional
        Labels of the outcomes in the file's order, "Z+,X+,Y+,Z-,X-,Y-", or the name of an order,
        "aqt" or "povm-genmodel" (default: the order of the POVM here).
    bit_one : {"down", "up"}, optional
        Meaning of bit 1: "down" (default), the -1 eigenstate, |1> in the basis Z; or "up", the +1.
    reverse : bool
        Whether the last of a string is site 0, as in the counts of Qiskit: results and bases, in
        the file and in `bases`, are read from right to left.
    n_sites : int, optional
        Number of sites; needed for hexadecimal results, and for more sites than shots.
    lost : {"drop", "marginalise"}, optional
        What to do with lost qubits (``-``, ``?``, ``_``, ``*``, ``nan``; -1 beside 0): leave out
        the shot, or leave out the site.  They are refused by default.
    ignore : sequence of str
        Names of columns or arrays that are left aside.
    readout : optional
        Readout errors of the bits, which go into the elements of the POVM: a calibration as for
        :func:`~physgen.quantum.readout.confusion_matrices`, a file of it, or "0.01,0.03", the
        probabilities to read 1 for 0 and 0 for 1.
    settings : {"auto", "keep", "random"}
        Whether shots of a POVM made of bases (pauli-6, with any noise) keep labels of their
        settings: "auto", if these do not look random
        (:func:`physgen.quantum.randomness.random_p` below its false alarm rate); always; or never.
    attrs : mapping, optional
        Attributes to store: the Hamiltonian (``tfim.attrs()``), source, licence.

    Raises
    ------
    InputError
        If the file is ambiguous, or breaks its format (with the first bad line).

    Examples
    --------
    >>> import_measurements("shots.txt", bases="bases.txt")  # doctest: +SKIP
    >>> import_measurements("counts.json", reverse=True)  # doctest: +SKIP
    >>> import_measurements("shadow.npz", bases_order="XYZ")  # doctest: +SKIP
    """
    path = Path(path)
    if format is not None:
        check_choice("format", format, FORMATS)
    if bit_one is not None:
        check_choice("bit_one", bit_one, ("down", "up"))
    if lost is not None:
        check_choice("lost", lost, RULES)
    if n_sites is not None:
        check_positive_int("n_sites", n_sites)
    check_choice("settings", settings, ("auto", "keep", "random"))
    bases_order = check_order(bases_order)
    ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "there is no such file"
        raise InputError(f"a measurement file must be readable, got {path}: {what}")
    order = coding.order_of(outcome_order)
    frame = named_povm(povm) if isinstance(povm, str) else povm
    if frame is None and outcome_order is not None:
        frame = coding.povm_of_order(order)
    kind = kind_of(path, format)
    if kind == "hdf5" and is_data_file(path):
        stated = (
            format,
            bases,
            bases_order,
            outcome_order,
            bit_one,
            n_sites,
            lost,
            readout,
            reverse or None,
        )
        return _own(path, frame, settings, attrs, stated)
    shots = open_shots(
        path,
        kind,
        highest=9 if frame is None else min(9, frame.K - 1),
        counts=format == "counts",
        bits=format == "bits" or bit_one is not None,
        # Integers in a second file have the order too.
        bases_order=None if _is_file(bases) else bases_order,
        n_sites=n_sites,
        lost=lost,
        ignore=ignore,
    )
    if format == "counts" and shots.counts is None:
        raise InputError(f"counts must say how often each row was seen, got none in {path.name}")
    shots = oriented(shots, kind, n_sites)
    name = format if format in coding.CODINGS else None
    if name is None or (name == "bits" and shots.letters):
        name = coding.choose_coding(
            shots.sample,
            frame,
            letters=shots.letters,
            has_bases=bases is not None or shots.bases is not None,
            bits=shots.bits or format == "counts",
        )
    told = {"source": path.name, "imported_from": path.name, "format": name}
    missing = LostQubits(lost)
    if name in ("integers", "onehot"):
        refuse(name, bases=bases, bit_one=bit_one, bases_order=bases_order)
        if shots.bases is not None:
            raise InputError(
                f"bases must not stand beside {name}, which tell them, got some in {path.name}; "
                "leave them aside with ignore (--ignore), or read the values as bits"
            )
        if frame is None:
            raise InputError(f"povm must be given for {name}, got none; e.g. povm pauli-6")
        outcomes = _outcomes(shots, name, frame, order, missing)
        told["outcome_order"] = order if isinstance(order, str) else ",".join(order)
    else:
        refuse(name, outcome_order=outcome_order)
        found = bits_and_bases(shots, name, frame, bases, bases_order, bit_one, missing)
        outcomes, frame = found.outcomes, found.frame
        told["bit_one"] = "spins" if found.spins else bit_one or "down"
    if n_sites not in (None, outcomes.shape[1]):
        raise InputError(
            f"n_sites must be the {outcomes.shape[1]} sites of {path.name}, got {n_sites}"
        )
    left_out = missing.described(outcomes.shape[1])
    sites = missing.sites(outcomes.shape[1])
    if readout is not None:
        frame = measured(frame, readout, sites, reverse)
    outcomes = outcomes[:, sites]
    outcomes = shots.expanded(outcomes, missing.kept)
    if reverse:
        outcomes = np.ascontiguousarray(outcomes[:, ::-1])
        told["site_order"] = "reversed: the last of a string is site 0"
    if bases_order is not None:
        told["bases_order"] = ", ".join(f"{k} = {axis}" for k, axis in enumerate(bases_order))
    if left_out:
        told["lost"] = left_out
    attrs = told | shots.told | dict(attrs or {})
    if frame.bases is None:
        if settings == "keep":
            raise InputError(
                "settings must be kept of a POVM that is made of bases, as pauli-6 is with any "
                f"noise, got {frame.name}"
            )
        return MeasurementData(outcomes, frame, attrs)
    labels = _labels(outcomes, frame.bases, settings, attrs)
    return MeasurementData(outcomes, frame, attrs, labels)


def _is_file(bases: Any) -> bool:
    return bases is not None and Path(bases).is_file()


def _outcomes(
    shots: TextShots | Record,
    name: str,
    frame: POVM | SitePOVM,
    order: str | tuple[str, ...],
    lost: LostQubits,
) -> np.ndarray:
    """Return outcomes in the order of `frame`."""
    table = outcome_table(frame, order)
    if name == "onehot" and lost.rule is not None:
        raise InputError("lost must not be given for onehot, which has no mark for a lost qubit")

    def code(values: np.ndarray) -> np.ndarray:
        if name == "onehot":
            return table[coding.onehot_outcomes(values, frame.K)]
        bad = ((values < 0) | (values >= frame.K)).reshape(len(values), -1).any(axis=1)
        if bad.any() or values.ndim != 2:
            rule = f"outcomes of {frame.name} must be integers 0..{frame.K - 1}, one a site"
            raise BadRow(int(np.argmax(bad)), rule)
        return table[values]

    return shots.coded(1 if name == "onehot" else min(9, frame.K - 1), code, lost)


def _labels(
    outcomes: np.ndarray, bases: Bases, settings: str, attrs: dict[str, Any]
) -> np.ndarray | None:
    """Return labels of the settings, or None, with the reason in `attrs`."""
    if settings == "random":
        attrs["settings"] = "random, as stated when imported"
        return None
    axes = bases.of[outcomes]
    p = random_p(axes, bases)
    if settings == "auto" and p >= FALSE_ALARM:
        attrs["settings"] = f"random as far as can be told (p = {p:.2g})"
        return None
    why = "as stated when imported" if settings == "keep" else f"not random (p = {p:.2g})"
    attrs["settings"] = f"labelled: {why}"
    return label_settings(axes)


def _own(
    path: Path,
    frame: POVM | SitePOVM | None,
    settings: str,
    attrs: Mapping[str, Any] | None,
    stated: tuple[Any, ...],
) -> MeasurementData:
    """Read a data file of physgen, which describes its own content."""
    if any(each is not None for each in stated[1:]) or stated[0] not in (None, "hdf5"):
        raise InputError(
            f"a data file of physgen must be taken as it says, got a format, bases or an order "
            f"with {path.name}"
        )
    data = MeasurementData.load(path, povm=frame)
    told, labels = data.attrs | dict(attrs or {}), data.settings
    if settings == "random":
        labels = None
    elif labels is None and data.povm.bases is not None and "settings" not in told:
        labels = _labels(data.outcomes, data.povm.bases, settings, told)
    return MeasurementData(data.outcomes, data.povm, told, labels)
