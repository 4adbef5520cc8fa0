"""What a config points at: the state and the measurement file, checked before a run is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.errors import InputError
from physgen.workflow.loading import check_digest
from physgen.workflow.reconstruction.config import Config, SystemSection

if TYPE_CHECKING:
    from physgen.quantum import MPS, TFIM, MeasurementData

__all__ = ["check", "load_measurements", "load_state", "system_of"]


def system_of(config: Config) -> TFIM | None:
    """Return the Hamiltonian that the config names, or None for outcomes of unknown origin."""
    from physgen.quantum import TFIM

    system = config.system
    if system is None:
        return None
    return TFIM(L=system.L, J=system.J, h=system.h, boundary=system.boundary)


def load_state(config: Config) -> MPS | None:
    """Return the MPS of ``[state] file``, or None if the config names none."""
    from physgen.quantum import MPS

    if config.state.file is None or config.system is None:
        return None
    check_digest("state", config.state.file, config.state.sha256)
    state = MPS.load(config.state.file)
    if state.L != config.system.L:
        raise InputError(
            f"[state] file must hold a chain of [system] L = {config.system.L} sites, "
            f"got one of {state.L}"
        )
    _same_hamiltonian("state", state.attrs, config.system)
    return state


def load_measurements(config: Config) -> MeasurementData:
    """Return the outcomes of ``[data] file``."""
    from physgen.quantum import MeasurementData

    if config.data.file is None:
        raise InputError("[data] file must be given to read outcomes from a file")
    L = None if config.system is None else config.system.L
    check_digest("data", config.data.file, config.data.sha256)
    data = MeasurementData.load(config.data.file, povm=config.data.povm, L=L)
    if config.data.n_shots is not None and config.data.n_shots > data.n:
        raise InputError(
            f"[data] n_shots must be at most the {data.n} shots of the data file, "
            f"got {config.data.n_shots}"
        )
    if data.n < 2 or data.L < 2:
        raise InputError(
            f"[data] file must hold at least 2 shots of at least 2 sites, got {data.n} of {data.L}"
        )
    for pauli in "XZ":
        data.povm.weights(pauli)  # refuses a POVM that does not see what will be estimated
    _same_hamiltonian("data", data.attrs, config.system)
    return data


def check(config: Config) -> None:
    """Raise :class:`InputError` for anything wrong with what the config points at."""
    _check_device(config)
    tfim = system_of(config)
    if config.data.file is not None:
        load_measurements(config)
    elif load_state(config) is None and tfim is not None:
        from physgen.exact.free_fermions import x_profile

        x_profile(tfim)  # refuses a ground state that DMRG would pick at random from several


def _same_hamiltonian(
    section: str, attrs: Mapping[str, Any], system: SystemSection | None
) -> None:
    """Refuse a file that was made for another chain than [system], where it says so."""
    if system is None:
        return
    wanted = {key: getattr(system, key) for key in ("L", "J", "h", "boundary")}
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
        import torch

        if not torch.cuda.is_available():
            raise InputError(
                "[train] device must be 'cpu' on this machine, got 'cuda'; torch "
                f"{torch.__version__} finds no CUDA device here"
            )
