"""What a config points at: the state and the measurement file, checked before a run is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.errors import InputError
from physgen.workflow.devices import check_device
from physgen.workflow.files import check_digest
from physgen.workflow.reconstruction.config import DEFAULT_POVM, Config
from physgen.workflow.reconstruction.fittable import fittable
from physgen.workflow.reconstruction.model_section import ModelSection
from physgen.workflow.reconstruction.symmetries import check_symmetries
from physgen.workflow.reconstruction.system_section import SystemSection

if TYPE_CHECKING:
    import xarray as xr

    from physgen.quantum import (
        MPS,
        POVM,
        DensityMatrix,
        Hamiltonian,
        MeasurementData,
        PauliSum,
        SitePOVM,
    )

__all__ = [
    "check",
    "described",
    "load_measurements",
    "load_state",
    "load_target",
    "measurement_of",
    "operators_of",
    "system_of",
]

BLOCK = 1 << 16  # shots of a file looked at together


def system_of(config: Config) -> Hamiltonian | None:
    """Return the Hamiltonian that the config names, or None for outcomes of unknown origin."""
    return None if config.system is None else config.system.hamiltonian()


def operators_of(config: Config, L: int) -> dict[str, PauliSum]:
    """Return the operators of [observables], on the ring that [system] may be."""
    from physgen.quantum.operators import as_operators

    hamiltonian = system_of(config)
    ring = hamiltonian is not None and hamiltonian.boundary == "periodic"
    try:
        return as_operators(config.observables.texts(), L, "periodic" if ring else "open")
    except InputError as error:
        raise InputError(f"[observables] {error}") from None


def load_state(config: Config) -> MPS | None:
    """Return the MPS of ``[state] file``, or None if the config names none."""
    from physgen.quantum import MPS

    if config.state.file is None or config.system is None:
        return None
    check_digest("state", config.state.file, config.state.sha256)
    state, L = MPS.load(config.state.file), config.system.hamiltonian().L
    if state.L != L:
        raise InputError(
            f"[state] file must hold a chain of [system] L = {L} sites, got one of {state.L}"
        )
    _same_hamiltonian("state", state.attrs, config.system)
    return state


def load_measurements(config: Config) -> MeasurementData:
    """Return the outcomes of ``[data] file``."""
    from physgen.quantum import MeasurementData

    if config.data.file is None:
        raise InputError("[data] file must be given to read outcomes from a file")
    L = None if config.system is None else config.system.hamiltonian().L
    check_digest("data", config.data.file, config.data.sha256)
    read = MeasurementData.open if config.train.stream else MeasurementData.load
    data = read(config.data.file, povm=config.data.povm, L=L)
    if config.data.n_shots is not None and config.data.n_shots > data.n:
        raise InputError(
            f"[data] n_shots must be at most the {data.n} shots of the data file, "
            f"got {config.data.n_shots}"
        )
    if data.n < 2:
        raise InputError(f"[data] file must hold at least 2 shots, got {data.n}")
    if not data.povm.sees("X"):
        data.povm.weights("Z")  # refuses a POVM that sees nothing of what will be estimated
    fittable(config, data.take(slice(0, config.data.n_shots)) if config.data.n_shots else data)
    _same_hamiltonian("data", data.attrs, config.system)
    return data


def measurement_of(config: Config) -> POVM:
    """Return the POVM of generated shots, with the noise of [data] in its elements."""
    from physgen.quantum import bit_flipped, depolarised, povm

    frame, data = povm(config.data.povm or DEFAULT_POVM), config.data
    if data.readout_error:
        frame = bit_flipped(frame, data.readout_error, data.readout_error)
    return depolarised(frame, data.depolarising) if data.depolarising else frame


def described(data: MeasurementData) -> xr.Dataset:
    """Return everything about outcomes but themselves, for data that stay in their file."""
    counts = np.zeros((data.L, data.povm.K), np.int64)
    for start in range(0, data.n, BLOCK):
        block = data.outcomes[start : start + BLOCK]
        for k in range(data.povm.K):
            counts[:, k] += (block == k).sum(axis=0)
    head = data.take(slice(0, 2)).to_dataset().drop_vars("outcomes")
    head["counts"] = (("site", "outcome"), counts, {"long_name": "shots with each outcome"})
    return head.assign_attrs(n_shots=data.n, n_sites=data.L)


def load_target(config: Config, L: int) -> MPS | DensityMatrix | None:
    """Return the target that [tomography] names, or None if it names none."""
    from physgen.quantum import MPS, DensityMatrix, ghz_state, w_state

    section = config.tomography
    if section.target is not None:
        return ghz_state(L) if section.target == "ghz" else w_state(L)
    if section.file is None:
        return None
    check_digest("tomography", section.file, section.sha256)
    if section.file.endswith(".npz"):
        found: MPS | DensityMatrix = MPS.load(section.file)
    elif section.file.endswith(".npy"):
        found = DensityMatrix.load(section.file)
    else:
        raise InputError(
            "[tomography] file must be .npz (a matrix product state) or .npy (a density matrix), "
            f"got {section.file!r}"
        )
    if found.L != L:
        raise InputError(f"[tomography] file must hold a state of {L} sites, got {found.L}")
    return found


def check(config: Config) -> None:
    """Raise :class:`InputError` for anything wrong with what the config points at."""
    _check_device(config)
    _check_stream(config)
    hamiltonian = system_of(config)
    if config.data.file is not None:
        data = load_measurements(config)
        operators_of(config, data.L)
        check_models(fittable(config, data), data.L, data.povm)
        load_target(config, data.L)
        return
    if hamiltonian is not None:
        operators_of(config, hamiltonian.L)
        check_models(config.model, hamiltonian.L, measurement_of(config))
        load_target(config, hamiltonian.L)
    if load_state(config) is None and hamiltonian is not None:
        _check_unique(hamiltonian)
        check_symmetries(config.model, hamiltonian)


def _check_unique(hamiltonian: Hamiltonian) -> None:
    """Refuse a ground state that DMRG would pick at random from several, where that is known."""
    from physgen.exact.free_fermions import x_profile
    from physgen.quantum import TFIM
    from physgen.quantum.dmrg import unique_levels

    if isinstance(hamiltonian, TFIM):
        x_profile(hamiltonian)
    else:
        unique_levels(hamiltonian.pauli_sum())


def check_models(sections: Sequence[ModelSection], L: int, frame: POVM | SitePOVM) -> None:
    """Build each model once, for what it has to say against its sizes."""
    from physgen.core.random import Stream
    from physgen.quantum import MeasurementData
    from physgen.workflow.reconstruction.models import build

    shots = MeasurementData(np.zeros((2, L), np.uint8), frame)
    for section in sections:
        build(section, shots, Stream(0))


def _check_stream(config: Config) -> None:
    if not config.train.stream:
        return
    file = config.data.file
    if file is None or not file.endswith((".h5", ".hdf5")):
        raise InputError(
            f"[train] stream must stand with [data] file, an HDF5 file, got {file!r}; "
            "`physgen import-data` makes one"
        )
    if config.data.n_shots is not None:
        raise InputError(
            "[data] n_shots must be left out where shots are streamed, as all of the file are, "
            f"got {config.data.n_shots}"
        )


def _same_hamiltonian(
    section: str, attrs: Mapping[str, Any], system: SystemSection | None
) -> None:
    """Refuse a file that was made for another chain than [system], where it says so."""
    if system is None:
        return
    wanted = {"system": system.name, **system.parameters()}
    found = {key: attrs[key] for key in wanted if key in attrs}
    differing = [key for key in found if not np.array_equal(found[key], wanted[key])]
    if differing:
        raise InputError(
            f"[{section}] file must belong to the chain of [system], "
            f"{_listed(wanted, differing)}, got a file of {_listed(found, differing)}; change "
            "[system] or name another file"
        )


def _listed(values: Mapping[str, Any], keys: Iterable[str]) -> str:
    return ", ".join(f"{key} = {values[key]}" for key in keys)


def _check_device(config: Config) -> None:
    if config.train.device == "cuda":
        states = [model.name for model in config.model if model.is_state]
        if states:
            raise InputError(
                f"[train] device must be 'cpu' for the model {states[0]!r}, got 'cuda'; its "
                "kernels run on a CPU, where it is fitted in seconds"
            )
    check_device(config.train.device)
