"""The section [data] of configurations in a file, whose action nobody knows."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from physgen.catalogue import System
from physgen.core.errors import InputError
from physgen.observables.shelf import SHELF
from physgen.targets.configurations import SYMMETRIES, Configurations
from physgen.workflow.files import check_digest
from physgen.workflow.sections import Flag, PathText, Section, Text, one_of, rule

__all__ = ["DataSection"]

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".nc")
Boundary = Annotated[str, one_of(("periodic", "open"))]
Boundaries = Annotated[Boundary | list[Boundary], rule("'periodic', 'open', or a list of them")]
Kind = Annotated[Literal["spins", "reals"], rule("'spins' or 'reals'")]


class DataSection(Section):
    """Configurations x ~ p, and what is known of p; see `physgen.Configurations`.

    Attributes
    ----------
    holds
        What the data are; outcomes make a reconstruction.
    file
        The array: npy, npz, HDF5 or netCDF.
    sha256
        SHA-256 of the file; with it the run is refused where the file has changed.
    array
        Name of the array in a file that holds several, or of the group of a run, such as
        "chains/hmc/L16/m2-4"; left out: the only one, or "configurations".
    chains
        Whether the first axis counts independent chains; a file of a run says so itself.
    support
        What a site holds; asked for only where the numbers do not tell.
    boundary
        Boundary of the lattice, for all axes or each; left out: no lattice.
    symmetries
        Transformations that p is known to be invariant under.
    observables
        Measured beside magnetization, phi2 and bond_product: correlator and propagator give
        effective masses and the correlation length.
    """

    holds: Annotated[Literal["configurations"], rule("'configurations' or 'outcomes'")]
    file: PathText
    sha256: Text | None = None
    array: Text | None = None
    chains: Flag = False
    support: Kind | None = None
    boundary: Boundaries | None = None
    symmetries: list[Annotated[str, one_of(SYMMETRIES)]] = Field(default_factory=list[str])
    observables: list[Annotated[str, one_of(SHELF)]] = Field(default_factory=list[str])

    @model_validator(mode="after")
    def _readable(self) -> DataSection:
        if not self.file.endswith(SUFFIXES):
            raise ValueError(
                f"[data] file must end in one of {', '.join(SUFFIXES)}, got {self.file!r}; "
                "numpy.save writes an npy file"
            )
        return self

    @property
    def L(self) -> list[int] | None:
        """None: a file holds one extent."""
        return None

    @property
    def system(self) -> System | None:
        """None: it is no system of the catalogue."""
        return None

    @property
    def is_foreign(self) -> bool:
        """False: it has no force that could be checked."""
        return False

    @property
    def title(self) -> str:
        """The name of the file."""
        return f"configurations of {Path(self.file).name}"

    def couplings(self) -> dict[str, list[float]]:
        """Return nothing: a file has no couplings."""
        return {}

    def target(self, L: int | None, couplings: Mapping[str, float]) -> Configurations:
        """Return the configurations.

        Raises
        ------
        InputError
            If the file cannot be read, has changed, or holds no configurations.
        """
        del L, couplings
        words = self.boundary
        boundary = tuple(words) if isinstance(words, list) else words
        about = (self.chains, self.support, boundary, tuple(self.symmetries))
        return _read(self.file, self.sha256, self.array, *about)


@functools.lru_cache(maxsize=1)
def _read(
    file: str,
    sha256: str | None,
    array: str | None,
    chains: bool,
    support: str | None,
    boundary: str | tuple[str, ...] | None,
    symmetries: tuple[str, ...],
) -> Configurations:
    """Read a file once a process."""
    check_digest("data", file, sha256)
    from physgen.validation.sample_files import array_of, read_samples

    try:
        x, labelled = array_of("file", read_samples(file, array))
        return Configurations(
            x, chains=chains or labelled, support=support, boundary=boundary, symmetries=symmetries
        )
    except InputError as error:
        raise InputError(f"[data] {Path(file).name}: {error}") from None
