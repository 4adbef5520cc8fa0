"""Import of measurement files of other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.quantum.data import MeasurementData
from physgen.quantum.importing import coding, text
from physgen.quantum.importing.arrays import SUFFIXES, is_data_file, read_array
from physgen.quantum.outcome_orders import outcome_table
from physgen.quantum.povm import POVM
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.settings import FALSE_ALARM, label_settings, random_p

__all__ = ["FORMATS", "import_measurements"]

FORMATS = ("text", "csv", "npy", "npz", "hdf5", *coding.CODINGS)


def import_measurements(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    povm: POVM | str | None = None,
    bases: str | PathLike[str] | None = None,
    outcome_order: str | Sequence[str] | None = None,
    bit_one: str | None = None,
    settings: str = "auto",
    attrs: Mapping[str, Any] | None = None,
) -> MeasurementData:
    """Read a measurement file of any supported format.

    Parameters
    ----------
    path : path
        Text (also csv, and gzipped), one shot a line; npy, npz or HDF5.  A data file of physgen
        is read unchanged.
    format : str, optional
        Meaning of the numbers: "integers", "onehot", "bits" or "bits+bases"; or kind of file,
        "text", "csv", "npy", "npz" or "hdf5".  By default determined from the file, if possible.
    povm : POVM or str, optional
        The measurement; required for integers and one-hot.
    bases : path or str, optional
        The bases of bits: a file of letters X, Y, Z, one line a shot; or letters for all shots,
        "Z" or, one a site, "ZXZX".  By default all bits were measured in Z.
    outcome_order : str or sequence of str, optional
        Labels of the outcomes in the file's order, "Z+,X+,Y+,Z-,X-,Y-", or the name of an order,
        "aqt" or "povm-genmodel" (default: the order of the POVM here).
    bit_one : {"down", "up"}, optional
        Meaning of bit 1: "down" (default), the -1 eigenstate, |1> in the basis Z; or "up", the +1.
    settings : {"auto", "keep", "random"}
        Whether pauli-6 shots keep labels of their settings: "auto", if these do not look random
        (:func:`physgen.quantum.settings.random_p` below its false alarm rate); always; or never.
    attrs : mapping, optional
        Attributes to store: the Hamiltonian (``tfim.attrs()``), source, licence.

    Raises
    ------
    InputError
        If the file is ambiguous, or breaks its format (with the first bad line).

    Examples
    --------
    >>> import_measurements("shots.txt", bases="bases.txt")  # doctest: +SKIP
    >>> import_measurements("ghz.npy", povm="pauli-6", outcome_order="aqt")  # doctest: +SKIP
    """
    path = Path(path)
    if format is not None:
        check_choice("format", format, FORMATS)
    if bit_one is not None:
        check_choice("bit_one", bit_one, ("down", "up"))
    check_choice("settings", settings, ("auto", "keep", "random"))
    if not path.is_file():
        raise InputError(f"a measurement file must be readable, got {path}: there is no such file")
    order = coding.order_of(outcome_order)
    frame = named_povm(povm) if isinstance(povm, str) else povm
    if frame is None and outcome_order is not None:
        frame = coding.povm_of_order(order)
    kind = _kind(path, format)
    if kind == "hdf5" and is_data_file(path):
        return _own(path, frame, settings, attrs, (format, bases, outcome_order, bit_one))
    name = format if format in coding.CODINGS else None
    if kind == "text":
        reader = _Text(path, 9 if frame is None else min(9, frame.K - 1))
    else:
        reader = _Array(path, kind)
    if name is None or (name == "bits" and reader.letters):
        name = coding.choose_coding(
            reader.sample, frame, letters=reader.letters, has_bases=bases is not None
        )
    told = {"source": path.name, "imported_from": path.name, "format": name}
    if name in ("integers", "onehot"):
        _refuse(name, bases=bases, bit_one=bit_one)
        if frame is None:
            raise InputError(f"povm must be given for {name}, got none; e.g. povm pauli-6")
        outcomes = _outcomes(reader, name, frame, order)
        told["outcome_order"] = order if isinstance(order, str) else ",".join(order)
    else:
        _refuse(name, outcome_order=outcome_order)
        outcomes, frame, spins = _bits(reader, name, frame, bases, bit_one)
        told["bit_one"] = "spins" if spins else bit_one or "down"
    attrs = told | dict(attrs or {})
    if not frame.matches(named_povm("pauli-6")):
        if settings == "keep":
            raise InputError(f"settings must be kept of pauli-6 alone, got {frame.name}")
        return MeasurementData(outcomes, frame, attrs)
    labels = _labels(outcomes, settings, attrs)
    return MeasurementData(outcomes, frame, attrs, labels)


class _Text:
    """A text file as a source of values."""

    def __init__(self, path: Path, highest: int) -> None:
        self.path, self.form = path, text.form_of(path)
        self.letters = self.form.letters
        self.sample = text.sample_of(path, self.form, highest)

    def coded(self, highest: int, code: Any) -> np.ndarray:
        return text.coded(self.path, self.form, highest, code)


class _Array:
    """An array as a source of values."""

    letters = False

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.sample = read_array(path, kind)

    def coded(self, highest: int, code: Any) -> np.ndarray:
        try:
            return code(self.sample)
        except text.BadRow as error:
            row = self.sample[error.row].tolist()
            raise InputError(
                f"{error.rule}, got row {error.row} of {self.path.name}: {str(row)[:60]}"
            ) from None


def _kind(path: Path, format: str | None) -> str:
    """Return text, npy, npz or hdf5."""
    if format in ("npy", "npz", "hdf5"):
        return format
    if format in ("text", "csv"):
        return "text"
    return SUFFIXES.get(path.suffix.lower(), "text")


def _outcomes(
    reader: _Text | _Array, name: str, frame: POVM, order: str | tuple[str, ...]
) -> np.ndarray:
    """Return outcomes in the order of `frame`."""
    table = outcome_table(frame, order)

    def code(values: np.ndarray) -> np.ndarray:
        if name == "onehot":
            return table[coding.onehot_outcomes(values, frame.K)]
        bad = ((values < 0) | (values >= frame.K)).reshape(len(values), -1).any(axis=1)
        if bad.any() or values.ndim != 2:
            rule = f"outcomes of {frame.name} must be integers 0..{frame.K - 1}, one a site"
            raise text.BadRow(int(np.argmax(bad)), rule)
        return table[values]

    return reader.coded(1 if name == "onehot" else min(9, frame.K - 1), code)


def _bits(
    reader: _Text | _Array,
    name: str,
    frame: POVM | None,
    bases: str | PathLike[str] | None,
    bit_one: str | None,
) -> tuple[np.ndarray, POVM, bool]:
    """Return outcomes, their POVM, and whether the file held spins.

    The POVM is pauli-6, or computational if all bits were measured in Z.
    """
    six, z_basis = named_povm("pauli-6"), named_povm("computational")
    if frame is not None and not (frame.matches(six) or frame.matches(z_basis)):
        raise InputError(
            f"bits must be outcomes of pauli-6 or computational, got povm {frame.name}; import "
            "them as pauli-6, and merge with --merge pauli-4 or MeasurementData.merged"
        )
    if name == "bits+bases":
        if reader.letters:
            _refuse("bits+bases in one file", bases=bases)
            shots = reader.coded(1, partial(coding.with_bases, bit_one=bit_one))
            return shots, six, False
        if bases is None:
            raise InputError(
                "bases must be given as a file of letters, or as letters before the bits on each "
                f"line, got neither with {reader.path.name}"
            )
    bits, spins = coding.bits_of(reader.coded(1, coding.checked_bits), bit_one)
    if bases is None:
        if frame is not None and frame.matches(six):
            raise InputError("bases must be given to make pauli-6 of bits, got none")
        return bits, z_basis, spins
    if Path(bases).is_file():
        axes = _bases_file(Path(bases))
        if axes.shape != bits.shape:
            raise InputError(
                f"bases must be one letter for each bit, shape {bits.shape}, "
                f"got {axes.shape} in {Path(bases).name}"
            )
    else:
        axes = np.broadcast_to(coding.fixed_bases(str(bases), bits.shape[1]), bits.shape)
    if not axes.any() and (frame is None or frame.matches(z_basis)):
        return bits, z_basis, spins
    if frame is not None and frame.matches(z_basis):
        raise InputError("bases must all be Z for povm computational, got others; use pauli-6")
    return axes + 3 * bits, six, spins


def _bases_file(path: Path) -> np.ndarray:
    """Return the bases of a file of letters, as 0 = Z, 1 = X, 2 = Y."""
    if path.suffix.lower() in SUFFIXES:
        return read_array(path, SUFFIXES[path.suffix.lower()], letters=True)
    form = text.form_of(path)

    def code(values: np.ndarray) -> np.ndarray:
        bad = (values < 10).any(axis=1)
        if bad.any():
            raise text.BadRow(int(np.argmax(bad)), "bases must be letters X, Y, Z")
        return values - 10

    if not form.letters:
        raise InputError(
            f"bases must be letters X, Y, Z, one line a shot, got none in {path.name}"
        )
    return text.coded(path, form, 9, code)


def _labels(outcomes: np.ndarray, settings: str, attrs: dict[str, Any]) -> np.ndarray | None:
    """Return labels of the settings, or None, with the reason in `attrs`."""
    if settings == "random":
        attrs["settings"] = "random, as stated when imported"
        return None
    axes = outcomes % 3
    p = random_p(axes)
    if settings == "auto" and p >= FALSE_ALARM:
        attrs["settings"] = f"random as far as can be told (p = {p:.2g})"
        return None
    why = "as stated when imported" if settings == "keep" else f"not random (p = {p:.2g})"
    attrs["settings"] = f"labelled: {why}"
    return label_settings(axes)


def _own(
    path: Path,
    frame: POVM | None,
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
    elif labels is None and data.povm.matches(named_povm("pauli-6")) and "settings" not in told:
        labels = _labels(data.outcomes, settings, told)
    return MeasurementData(data.outcomes, data.povm, told, labels)


def _refuse(name: str, **options: Any) -> None:
    for option, value in options.items():
        if value is not None:
            raise InputError(f"{option} must not be given for {name}, got {value!r}")
