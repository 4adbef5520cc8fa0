"""Measurement data: outcomes, and everything needed to know what they mean.

A file holds the outcomes (shot, site) as uint8 0..K-1, the elements of the POVM in the order of
its outcomes, as M_a = c_I 1 + c_X X + c_Y Y + c_Z Z, and attributes that name the Hamiltonian with
its sign and axes, and the source.  Bare integer arrays (npy, npz) are read too, given the POVM.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.errors import InputError
from physgen.quantum.arrays import read_arrays
from physgen.quantum.povm import PAULI, POVM, merge_map, names
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.tfim import TFIM

__all__ = ["MeasurementData"]

# Attributes of the file format, not of the data.
_RESERVED = ("povm", "povm_outcomes", "schema_version", "physgen_version")


class MeasurementData:
    """Outcomes of one POVM on every site of a chain.

    Parameters
    ----------
    outcomes : array_like of int, shape (n, L)
        One row for each shot.
    povm : POVM or str
        The measurement, with its order of outcomes.
    attrs : mapping, optional
        Plain values: the Hamiltonian (``tfim.attrs()``), source, licence, how it was made.

    Attributes
    ----------
    tfim : TFIM or None
        The Hamiltonian, if the attributes name one.
    """

    def __init__(
        self, outcomes: Any, povm: POVM | str, attrs: Mapping[str, Any] | None = None
    ) -> None:
        self.povm = named_povm(povm) if isinstance(povm, str) else povm
        self.outcomes = np.ascontiguousarray(self.povm.check_outcomes(outcomes))
        if self.outcomes.ndim != 2 or 0 in self.outcomes.shape:
            raise InputError(
                f"outcomes must be at least one shot, shape (n, L), got {self.outcomes.shape}"
            )
        self.attrs: dict[str, Any] = dict(attrs or {})
        if "L" in self.attrs and not np.array_equal(self.attrs["L"], self.L):
            raise InputError(
                f"outcomes must have L = {self.attrs['L']} sites as their attributes say, "
                f"got {self.L}"
            )
        self.tfim = TFIM.from_attrs(self.attrs) if "hamiltonian" in self.attrs else None

    def __repr__(self) -> str:
        return f"MeasurementData(n={self.n}, L={self.L}, povm={self.povm.name!r})"

    @property
    def n(self) -> int:
        """Number of shots."""
        return len(self.outcomes)

    @property
    def L(self) -> int:
        """Number of sites."""
        return self.outcomes.shape[1]

    def merged(self, name: str) -> MeasurementData:
        """Return the same shots in a coarser POVM; only pauli-6 to pauli-4."""
        if self.povm.name == name:
            return self
        table = merge_map(self.povm.name, name)
        attrs = self.attrs | {"merged_from": self.povm.name}
        return MeasurementData(table[self.outcomes], name, attrs)

    def require(
        self, povm: POVM | str | None = None, L: int | None = None, source: str = "data"
    ) -> MeasurementData:
        """Return self if the POVM and length are as given, else raise :class:`InputError`."""
        if povm is not None:
            wanted = named_povm(povm) if isinstance(povm, str) else povm
            if not self.povm.matches(wanted):
                remedy = ""
                if (self.povm.name, wanted.name) == ("pauli-6", "pauli-4"):
                    remedy = "; merge it with MeasurementData.merged('pauli-4')"
                raise InputError(
                    f"the POVM of {source} must be {_described(wanted)}, "
                    f"got {_described(self.povm)}{remedy}"
                )
        if L is not None and self.L != L:
            raise InputError(f"{source} must have L = {L} sites, got {self.L}")
        return self

    def to_dataset(self) -> xr.Dataset:
        """Return the data as a labelled Dataset; see :meth:`from_dataset`."""
        frame = self.povm
        return xr.Dataset(
            {
                "outcomes": (
                    ("shot", "site"),
                    self.outcomes,
                    {"long_name": "measurement outcome, 0..K-1 in the order of povm_outcomes"},
                ),
                "povm_elements": (
                    ("outcome", "pauli"),
                    frame.pauli_coefficients,
                    {"long_name": "M_a = c_I 1 + c_X X + c_Y Y + c_Z Z; columns I, X, Y, Z"},
                ),
            },
            attrs=self.attrs
            | {"povm": frame.name, "povm_outcomes": json.dumps(list(frame.outcomes))},
        )

    @classmethod
    def from_dataset(cls, ds: xr.Dataset) -> MeasurementData:
        """Rebuild the data from :meth:`to_dataset`."""
        missing = [name for name in ("outcomes", "povm_elements") if name not in ds]
        missing += [name for name in ("povm", "povm_outcomes") if name not in ds.attrs]
        if missing:
            raise InputError(f"a data set of outcomes must contain {', '.join(missing)}")
        labels, coefficients = _labels(ds.attrs["povm_outcomes"]), ds["povm_elements"].to_numpy()
        if coefficients.ndim != 2 or coefficients.shape[1] != 4:
            raise InputError(f"povm_elements must have shape (K, 4), got {coefficients.shape}")
        basis = np.array([PAULI[p] for p in "IXYZ"])
        name = str(ds.attrs["povm"])
        frame = POVM(name, np.einsum("ap,pij->aij", coefficients, basis), labels)
        if name in names() and frame.matches(named_povm(name)):
            frame = named_povm(name)
        attrs = {key: value for key, value in ds.attrs.items() if key not in _RESERVED}
        return cls(ds["outcomes"].to_numpy(), frame, attrs)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one HDF5 file, whole or not at all."""
        from physgen.results import write_dataset

        write_dataset(path, self.to_dataset())

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        povm: POVM | str | None = None,
        L: int | None = None,
    ) -> MeasurementData:
        """Read a data file, and check it against what is expected of it.

        Parameters
        ----------
        path : path
            HDF5 file of :meth:`save`, or the ``run.h5`` of a run, of which ``/data`` is taken; or
            npy, or npz with one array or one named ``outcomes``, holding integers of shape (n, L).
        povm : POVM or str, optional
            Required for bare arrays.  For HDF5, the POVM that the file must hold.
        L : int, optional
            Number of sites that the file must have.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix in (".npy", ".npz"):
            if povm is None:
                raise InputError(f"povm must be given for a bare array, got none with {path}")
            data = cls(_read_array(path), povm, {"source": path.name})
        elif suffix in (".h5", ".hdf5"):
            data = cls.from_dataset(_read_group(path))
        else:
            raise InputError(f"a data file must be .h5, .npy or .npz, got {path.name}")
        return data.require(povm, L, source=str(path))


def _labels(text: Any) -> tuple[str, ...]:
    """Return the names of the outcomes, which files hold as JSON text."""
    try:
        labels = json.loads(str(text))
    except json.JSONDecodeError:
        labels = None
    if not isinstance(labels, list):
        raise InputError(f"povm_outcomes must be a JSON list of names, got {str(text)!r:.60}")
    return tuple(labels)


def _described(frame: POVM) -> str:
    return f"{frame.name} ({', '.join(frame.outcomes)})"


def _read_group(path: Path) -> xr.Dataset:
    """Return the group of an HDF5 file that holds outcomes: the root, or /data of a run."""
    from physgen.results import read_dataset

    root = read_dataset(path)
    if "outcomes" in root:
        return root
    try:
        return read_dataset(path, "data")
    except InputError:
        raise InputError(
            f"{path} must contain outcomes, in its root as MeasurementData.save writes them or in "
            "its group /data as a run does"
        ) from None


def _read_array(path: Path) -> np.ndarray:
    loaded = read_arrays(path, "outcomes must be an integer array")
    if isinstance(loaded, np.ndarray):
        return loaded
    key = "outcomes" if "outcomes" in loaded else next(iter(loaded)) if len(loaded) == 1 else None
    if key is None:
        listed = ", ".join(loaded) or "none"
        raise InputError(f"{path} must hold one array or one named outcomes, got {listed}")
    return loaded[key]
