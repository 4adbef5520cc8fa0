"""The work of physgen validate-samples: read both sets, compare them, print the table."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from physgen.analysis.format import format_estimate
from physgen.cli.console import stdout
from physgen.cli.layout import bare
from physgen.core.checks import check_choice
from physgen.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

__all__ = ["validate_samples"]

_TELLING = 0.01  # p-values below it are in bold


def validate_samples(
    samples: Path,
    reference: Path | None,
    target: str | None,
    parameters: Sequence[str],
    tests: Sequence[str] | None,
    group: str | None,
    reference_group: str | None,
    n_max: int,
    seed: int,
    out: Path | None,
) -> None:
    """Compare samples with a reference, a target, or both, and print what was found."""
    from physgen.results import write_dataset
    from physgen.validation import two_sample

    if out is not None and (out.exists() or not out.parent.is_dir()):
        raise InputError(f"--out must be a new file in a folder that exists, got {str(out)!r}")
    if parameters and target is None:
        raise InputError(f"--set names a parameter of --target, got {parameters[0]!r} without one")
    found = two_sample(
        samples,
        reference,
        target=None if target is None else _target(target, parameters),
        tests=tests,
        rng=seed,
        n_max=n_max,
        group=group,
        reference_group=reference_group,
    )
    console = stdout()
    console.print(Text(_title(samples, reference, found), style="bold"))
    for table in _tables(found):
        console.print(table)
    console.print(Text(f"{found.attrs['verdict']}", style="bold"))
    for note in filter(None, str(found.attrs["notes"]).split("\n")):
        console.print(Text("! ", style="yellow") + Text(note, style="default"))
    if out is not None:
        write_dataset(out, found)
        print(out)


def _target(name: str, parameters: Sequence[str]) -> Any:
    """Return a system of the catalogue at the parameters that were typed."""
    from physgen.catalogue.systems import load_system, target_systems

    system = load_system(check_choice("--target", name, tuple(target_systems())))
    values: dict[str, Any] = {}
    for text in parameters:
        key, equals, value = text.partition("=")
        key = key.strip().removeprefix("target.")
        if not equals or not key:
            raise InputError(f"--set must read KEY=VALUE, got {text!r}; e.g. --set L=16")
        try:
            values[key] = tomllib.loads(f"value = {value.strip()}")["value"]
        except ValueError:
            values[key] = value.strip()  # a bare word, such as hopping
    return system.target(**values)


def _title(samples: Path, reference: Path | None, found: xr.Dataset) -> str:
    shape = " x ".join(str(int(n)) for n in found.attrs["event_shape"])
    text = f"{samples}: {found.attrs['n_samples']:,} configurations, {shape}"
    if reference is None:
        return text
    return f"{text}; {reference}: {found.attrs['n_reference']:,}"


def _tables(found: xr.Dataset) -> Iterator[Table]:
    if "observable" in found.dims:
        table = _table("observable", "samples", "reference", "z", "tau_int", "KS p")
        for name in found["observable"].values:
            row = dict(_row(found, "observable", name))
            table.add_row(
                str(name),
                format_estimate(row["mean"], row["error"]),
                format_estimate(row["reference_mean"], row["reference_error"]),
                _z(row["z"]),
                f"{row['tau_int']:.2g}, {row['reference_tau_int']:.2g}",
                _p(row["ks_p"]),
            )
        yield table
    if "identity" in found.dims:
        table = _table("Stein identity (0 if right)", "value", "z")
        for name in found["identity"].values:
            row = dict(_row(found, "identity", name))
            table.add_row(
                str(name), format_estimate(row["stein"], row["stein_error"]), _z(row["stein_z"])
            )
        yield table
    table = _table("test", "statistic", "expected", "p")
    for name in found["test"].values:
        row = dict(_row(found, "test", name))
        spread = row["null_error"]
        expected = "" if math.isnan(spread) else format_estimate(row["null"], spread)
        table.add_row(str(name), f"{row['statistic']:.4g}", expected, _p(row["p_value"]))
    yield table


def _row(found: xr.Dataset, dim: str, name: Any) -> Iterator[tuple[str, float]]:
    """Yield the numbers along one dim, at one label."""
    position = int(list(found[dim].values).index(name))
    for key, variable in found.data_vars.items():
        if variable.dims == (dim,):
            yield str(key), float(variable.values[position])


def _table(first: str, *others: str) -> Table:
    table = bare()
    table.add_column(first, justify="left", no_wrap=True)
    for head in others:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _z(z: float) -> Text:
    return Text(f"{z:+.1f}", style="bold" if abs(z) > 3.5 else "")


def _p(p: float) -> Text:
    return Text(f"{p:.2g}", style="bold" if p < _TELLING else "")
