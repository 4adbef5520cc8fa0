"""Measurement data: outcomes, and everything needed to interpret them.

A file holds the outcomes (shot, site) as uint8 0..K-1; the elements of the POVM in the order of
its outcomes, as M_a = c_I 1 + c_X X + c_Y Y + c_Z Z; and attributes that name the source and the
Hamiltonian with its signs and axes.  Bare integer arrays (npy, npz) can be read if the POVM is
given.

If the bases of pauli-6 were not drawn at random for every shot, the variable ``setting`` (shot)
labels shots with the same bases (:mod:`physgen.quantum.settings`).  Files of other programs are
read by :mod:`physgen.quantum.importing`, files larger than memory by :meth:`MeasurementData.open`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.errors import InputError
from physgen.quantum.data_files import bare_array, description_of, group_of_outcomes
from physgen.quantum.hamiltonians import hamiltonian_of
from physgen.quantum.povm import POVM, merge_map
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.settings import Settings, check_labels
from physgen.quantum.shots import ShotFile
from physgen.quantum.site_povm import SitePOVM
from physgen.quantum.tfim import TFIM

__all__ = ["MeasurementData"]


class MeasurementData:
    """Outcomes of one POVM on every site of a chain.

    Parameters
    ----------
    outcomes : array_like of int, shape (n, L)
        One row for each shot.
    povm : POVM, SitePOVM or str
        The measurement, with its order of outcomes; the same for all sites, or one a site.
    attrs : mapping, optional
        Plain values: the Hamiltonian (its ``attrs()``), source, licence, how it was made.
    settings : array_like of int, shape (n,), optional
        Labels for a POVM that is made of bases (pauli-6, with any noise): shots with one label
        share their basis on every site.  None: the bases were drawn at random, as the POVM says,
        for every site and shot.

    Attributes
    ----------
    outcomes : ndarray of uint8 or ShotFile, shape (n, L)
    settings : ndarray of int64 or None, shape (n,)
    hamiltonian : Hamiltonian or None
        The Hamiltonian, if the attributes name one: a TFIM, or the terms of any other.

    Raises
    ------
    InputError
        If the outcomes are no integers of the POVM, fewer than one shot, of another number of
        sites than attributes or POVM say, or labels of settings do not fit.
    """

    def __init__(
        self,
        outcomes: Any,
        povm: POVM | SitePOVM | str,
        attrs: Mapping[str, Any] | None = None,
        settings: Any = None,
    ) -> None:
        self.povm: POVM | SitePOVM = named_povm(povm) if isinstance(povm, str) else povm
        if not isinstance(outcomes, ShotFile):  # a ShotFile checks its own rows
            outcomes = np.ascontiguousarray(self.povm.check_outcomes(outcomes))
        # Declared as an array, because a ShotFile is indexed like one.
        self.outcomes: np.ndarray = outcomes  # pyright: ignore[reportAttributeAccessIssue]
        if self.outcomes.ndim != 2 or 0 in self.outcomes.shape:
            raise InputError(
                f"outcomes must be at least one shot, shape (n, L), got {self.outcomes.shape}"
            )
        if isinstance(self.povm, SitePOVM) and self.povm.L != self.L:
            raise InputError(
                f"outcomes must have the {self.povm.L} sites of {self.povm.name}, got {self.L}"
            )
        self.attrs: dict[str, Any] = dict(attrs or {})
        if "L" in self.attrs and not np.array_equal(self.attrs["L"], self.L):
            raise InputError(
                f"outcomes must have L = {self.attrs['L']} sites as their attributes say, "
                f"got {self.L}"
            )
        self.hamiltonian = hamiltonian_of(self.attrs)
        self.settings: np.ndarray | None = None
        if settings is not None:
            if self.povm.bases is None:
                raise InputError(
                    "settings must come with outcomes that tell their bases, as those of "
                    f"{_described(named_povm('pauli-6'))} do with any noise, got "
                    f"{_described(self.povm)}"
                )
            self.settings = check_labels(settings, self.n)
            if not isinstance(outcomes, ShotFile):
                self.setting_table  # noqa: B018  refuses labels whose shots differ in a basis

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

    @property
    def tfim(self) -> TFIM | None:
        """The Hamiltonian, if it is a transverse-field Ising chain."""
        return self.hamiltonian if isinstance(self.hamiltonian, TFIM) else None

    @cached_property
    def setting_table(self) -> Settings | None:
        """The settings with their bases, or None without labels."""
        if self.settings is None or self.povm.bases is None:
            return None
        return Settings.of(self.outcomes, self.settings, self.povm.bases)

    @property
    def weights(self) -> np.ndarray | None:
        """Weights of mean 1, shape (n,), that make a complete set of settings that of the POVM.

        None without labels: every shot counts the same.

        Raises
        ------
        InputError
            If a setting has no shot.
        """
        return None if self.setting_table is None else self.setting_table.weights()

    def take(self, rows: Any) -> MeasurementData:
        """Return some of the shots, in memory: a slice, integers or a mask."""
        labels = None if self.settings is None else self.settings[rows]
        return MeasurementData(self.outcomes[rows], self.povm, self.attrs, labels)

    def measured_by(self, povm: POVM | SitePOVM | str) -> MeasurementData:
        """Return the same outcomes as those of another POVM: the one with its noise, say.

        Labels of settings are kept.

        Raises
        ------
        InputError
            If the POVM has other outcomes, or the settings are labelled and it has other bases.
        """
        frame = named_povm(povm) if isinstance(povm, str) else povm
        if frame.outcomes != self.povm.outcomes:
            raise InputError(
                f"povm must have the outcomes {', '.join(self.povm.outcomes)} of the data, in "
                f"this order, got {_described(frame)}"
            )
        if self.settings is not None and not (
            self.povm.bases is not None and self.povm.bases.same_as(frame.bases)
        ):
            raise InputError(
                "povm must keep the bases of labelled data, pairs of outcomes that sum to a "
                f"multiple of the identity, got {frame.name}"
            )
        return MeasurementData(self.outcomes, frame, self.attrs, self.settings)

    def merged(self, name: str) -> MeasurementData:
        """Return the same shots in a coarser POVM; only pauli-6 to pauli-4.

        Raises
        ------
        InputError
            If the settings are labelled: pauli-4 forgets the basis of a shot, which weights and
            errors need.
        """
        if self.povm.name == name:
            return self
        if isinstance(self.povm, SitePOVM):
            raise InputError(
                f"only outcomes of one POVM for all sites must be merged, got {self.povm.name}; "
                "merge them first"
            )
        table = merge_map(self.povm.name, name)
        if self.settings is not None:
            raise InputError(
                f"only shots whose bases were drawn at random must be merged into {name}, got "
                f"labels of {len(self.setting_table or ())} settings, which {name} cannot keep; "
                f"stay with {self.povm.name}, or import the file with settings 'random' if they "
                "were drawn at random"
            )
        attrs = self.attrs | {"merged_from": self.povm.name}
        shots: Any = self.outcomes
        merged = shots.mapped(table) if isinstance(shots, ShotFile) else table[shots]
        return MeasurementData(merged, name, attrs)

    def require(
        self, povm: POVM | SitePOVM | str | None = None, L: int | None = None, source: str = "data"
    ) -> MeasurementData:
        """Return self if it has this POVM and length, else raise :class:`InputError`."""
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
        """Return the data as a labelled Dataset in memory; see :meth:`from_dataset`."""
        frame = self.povm
        ds = xr.Dataset(
            {
                "outcomes": (
                    ("shot", "site"),
                    self.outcomes[:],
                    {"long_name": "measurement outcome, 0..K-1 in the order of povm_outcomes"},
                ),
                "povm_elements": (
                    ("outcome", "pauli")
                    if isinstance(frame, POVM)
                    else ("site", "outcome", "pauli"),
                    frame.pauli_coefficients,
                    {"long_name": "M_a = c_I 1 + c_X X + c_Y Y + c_Z Z; columns I, X, Y, Z"},
                ),
            },
            attrs=self.attrs
            | {"povm": frame.name, "povm_outcomes": json.dumps(list(frame.outcomes))},
        )
        if self.settings is not None:
            about = {"long_name": "label: shots of one label share their basis on every site"}
            ds["setting"] = ("shot", self.settings, about)
        return ds

    @classmethod
    def from_dataset(cls, ds: xr.Dataset) -> MeasurementData:
        """Rebuild the data from :meth:`to_dataset`."""
        if "outcomes" not in ds:
            raise InputError("a data set of outcomes must contain outcomes")
        return cls(ds["outcomes"].to_numpy(), *description_of(ds))

    def save(self, path: str | PathLike[str]) -> None:
        """Write one HDF5 file, whole or not at all."""
        from physgen.results import write_dataset

        write_dataset(path, self.to_dataset())

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        povm: POVM | SitePOVM | str | None = None,
        L: int | None = None,
    ) -> MeasurementData:
        """Read a data file and check its POVM and number of sites.

        For files of other programs see :func:`physgen.quantum.importing.import_measurements`.

        Parameters
        ----------
        path : path
            HDF5 file of :meth:`save`; or the ``run.h5`` of a run, where ``/data`` is read; or npy,
            or npz with a single array or one named ``outcomes``, with integers of shape (n, L).
        povm : POVM or str, optional
            Required for bare arrays.  For HDF5, the POVM that the file must hold.
        L : int, optional
            Number of sites that the file must have.
        """
        from physgen.results import read_dataset

        path = Path(path)
        suffix = path.suffix.lower()
        if suffix in (".npy", ".npz"):
            if povm is None:
                raise InputError(f"povm must be given for a bare array, got none with {path}")
            data = cls(bare_array(path), povm, {"source": path.name})
        elif suffix in (".h5", ".hdf5"):
            data = cls.from_dataset(read_dataset(path, group_of_outcomes(path)))
        else:
            raise InputError(
                f"a data file must be .h5, .npy or .npz, got {path.name}; turn other files into "
                "one with `physgen import-data`"
            )
        return data.require(povm, L, source=str(path))

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        povm: POVM | SitePOVM | str | None = None,
        L: int | None = None,
    ) -> MeasurementData:
        """Open an HDF5 file as :meth:`load` does, without reading its outcomes.

        ``outcomes`` is a :class:`~physgen.quantum.shots.ShotFile`, which reads rows when indexed;
        the labels of settings, 8 bytes a shot, are in memory.
        """
        from physgen.results import open_array, read_dataset

        group = group_of_outcomes(Path(path))
        ds = read_dataset(path, group, without=("outcomes",))
        frame, attrs, settings = description_of(ds)
        shots = ShotFile(open_array(path, f"{group.rstrip('/')}/outcomes"), frame.K)
        return cls(shots, frame, attrs, settings).require(povm, L, source=str(path))


def _described(frame: POVM | SitePOVM) -> str:
    return f"{frame.name} ({', '.join(frame.outcomes)})"
