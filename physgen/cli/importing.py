"""The command that imports measurement files: physgen import-data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.checks import check_choice
from physgen.core.errors import InputError

if TYPE_CHECKING:
    from physgen.catalogue import Parameter
    from physgen.quantum import Hamiltonian, MeasurementData

__all__ = ["import_data"]

SHOWN = 6  # settings that are listed
_SAID = {
    "header": "header",
    "bases_order": "bases in file",
    "counts": "counts",
    "site_order": "sites",
    "orientation": "array",
    "lost": "lost qubits",
    "left_aside": "left aside",
}


def import_data(
    path: Path,
    out: Path,
    *,
    povm: str | None,
    merge: str | None,
    system: str | None,
    parameters: Sequence[str],
    source: str | None,
    force: bool,
    **how: Any,
) -> None:
    """Read a measurement file, write it as a data file, and say what is in it."""
    from physgen.quantum.importing import import_measurements

    if out.suffix.lower() not in (".h5", ".hdf5"):
        raise InputError(f"--out must be an HDF5 file, NAME.h5, got {str(out)!r}")
    if not out.parent.is_dir():
        raise InputError(f"--out must lie in a folder that exists, got {str(out)!r}")
    if out.is_dir() or (out.exists() and not force):
        remedy = "which is a folder" if out.is_dir() else "which exists; --force replaces it"
        raise InputError(f"--out must be a new file, got {str(out)!r}, {remedy}")
    attrs = {} if source is None else {"source": source}
    data = import_measurements(path, povm=povm, attrs=attrs, **how)
    if system is not None or parameters:
        from physgen.quantum import MeasurementData

        attrs = data.attrs | named_hamiltonian(system or "tfim-1d", parameters, data.L).attrs()
        data = MeasurementData(data.outcomes, data.povm, attrs, data.settings)
    if merge is not None:
        data = data.merged(merge)
    data.save(out)
    for line in described(data):
        print(line)
    print(out)
    print(f"next: physgen run CONFIG --set data.file={json.dumps(str(out))} --out DIR")


def named_hamiltonian(name: str, parameters: Sequence[str], n_sites: int) -> Hamiltonian:
    """Return a Hamiltonian of the catalogue for so many sites.

    Parameters
    ----------
    name : str
        Of a system.
    parameters : sequence of str
        Each ``KEY=VALUE``; L, where the system has it, is that of the shots.
    n_sites : int
    """
    from physgen.catalogue import hamiltonian_systems

    known = hamiltonian_systems()
    system = known[check_choice("--system", name, list(known))]
    given: dict[str, Any] = {"L": n_sites} if "L" in system.parameters else {}
    for text in parameters:
        key, equals, value = text.partition("=")
        if not equals or key not in system.parameters:
            takes = ", ".join(system.parameters)
            raise InputError(
                f"a parameter must be KEY=VALUE with a KEY of {name} ({takes}), got {text!r}"
            )
        given[key] = _value(system.parameters[key], value)
    found = system.hamiltonian(**given)
    if n_sites != found.L:
        raise InputError(
            f"{name} must have the {counted(n_sites, 'site')} of the shots, got {found.L}"
        )
    return found


def _value(parameter: Parameter, text: str) -> float | str:
    """Return the value of a parameter that is given as text."""
    if parameter.type in ("choice", "text"):
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{parameter.name} must be a number, got {text!r}") from None


def described(data: MeasurementData) -> list[str]:
    """Return what a data set holds, in lines."""
    return [
        f"{counted(data.n, 'shot')} of {counted(data.L, 'site')}, {data.povm.name}",
        *_origin(data),
        *_frequencies(data),
        *_settings(data),
        *_estimates(data),
    ]


def counted(n: int, noun: str) -> str:
    """Return "1 shot", "2 shots"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _origin(data: MeasurementData) -> list[str]:
    attrs = data.attrs
    lines = [f"source          {attrs.get('source', 'unknown')}"]
    if "format" in attrs:
        lines.append(f"read            {attrs['imported_from']}, as {attrs['format']}")
    if "outcome_order" in attrs:
        lines.append(f"order in file   {attrs['outcome_order']}")
    if "bit_one" in attrs:
        meaning = {
            "down": "bit 0 is the +1 eigenstate (up), bit 1 the -1 eigenstate (down)",
            "up": "bit 1 is the +1 eigenstate (up), bit 0 the -1 eigenstate (down)",
        }
        lines.append(f"bits            {meaning.get(attrs['bit_one'], '+1 and -1: eigenvalues')}")
    for name, title in _SAID.items():
        if name in attrs:
            lines.append(f"{title:<15} {attrs[name]}")
    if data.tfim is not None:
        t = data.tfim
        couplings = f"J = {t.J:g}, h = {t.h:g}, {t.boundary}"
        lines.append(f"Hamiltonian     {attrs['hamiltonian']}; {couplings}")
    elif data.hamiltonian is not None:
        lines.append(f"Hamiltonian     {attrs['hamiltonian']}")
    return lines


def _frequencies(data: MeasurementData) -> list[str]:
    counts = np.bincount(data.outcomes.ravel(), minlength=data.povm.K) / data.outcomes.size
    told = "  ".join(f"{label} {p:.4f}" for label, p in zip(data.povm.outcomes, counts))
    never = [label for label, p in zip(data.povm.outcomes, counts) if p == 0]
    lines = [f"frequencies     {told}"]
    if never:
        lines.append(f"! outcome {', '.join(never)} never occurs: is the POVM the right one?")
    return lines


def _settings(data: MeasurementData) -> list[str]:
    table = data.setting_table
    if table is None:
        told = data.attrs.get("settings")
        return [f"settings        {told}"] if told else []
    listed = "  ".join(f"{n} {c:,}" for n, c in zip(table.names[:SHOWN], table.counts))
    more = f"  ... ({len(table):,} in all)" if len(table) > SHOWN else ""
    lines = [
        f"settings        {data.attrs.get('settings', 'labelled')}",
        f"  shots of each {listed}{more}",
        f"  missing       {table.describe_missing()}",
    ]
    for weight in range(1, min(2, data.L) + 1):
        seen, total = table.coverage(weight)
        lines.append(f"  seen          {seen:,} of {total:,} Pauli strings on {weight} site(s)")
    return lines


def _estimates(data: MeasurementData) -> list[str]:
    """Return which observables the shots determine, and which not."""
    from physgen.quantum import estimate_observables

    if data.n < 2:
        return ["estimates       need at least 2 shots"]
    head = data if data.setting_table is not None else data.take(slice(0, 1000))
    try:
        ds = estimate_observables(head)
    except InputError as error:
        return [f"! no observables: {error}"]
    given = [str(name) for name in ds.data_vars if f"{name}_error" in ds]
    lines = [f"can be given    {', '.join(given)}"]
    if "missing" in ds.attrs:
        lines.append(f"cannot          {ds.attrs['missing']}")
    return lines
