r"""Independent replicas of a run, on several GPUs at once.

Replica r is a `run` of its own, with the stream

.. math:: \mathtt{rng.child("replica",}\ r\mathtt{)} ,

its own hot and cold starts, warm-up, tuning and tests.  The replicas are joined along `chain` and
tested once more together.  Devices only decide who does what when: the draws depend on the number
of replicas, not on the number of devices.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from physgen.core.chains import Sampler
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError, PhysgenError
from physgen.core.protocols import Target
from physgen.core.random import as_stream
from physgen.samplers.loop.diagnostics import check
from physgen.samplers.loop.progress import Progress
from physgen.samplers.loop.settings import RunKeywords
from physgen.samplers.run import run

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["run_replicas"]


class _Abandoned(PhysgenError):
    """Another replica has failed, so this one stops."""


def run_replicas(
    sampler: Sampler,
    target: Target,
    n_replicas: int,
    devices: Sequence[int] | None = None,
    **how: Unpack[RunKeywords],
) -> xr.Dataset:
    """Run `n_replicas` times and return all chains.

    Parameters
    ----------
    sampler, target
        As for `run`.
    n_replicas : int
        >= 1; a multiple of the number of devices keeps all of them busy.
    devices : sequence of int, optional
        Numbers of the CUDA devices to use; by default all that are there.  A sampler on a CPU
        runs its replicas one after the other.
    **how
        As for `run`; `n_chains` is that of each replica, so that n_replicas * n_chains are
        returned.  `progress` follows the first replica.

    Returns
    -------
    Dataset
        As `run` returns it, with the coord ``replica`` of each chain.  Attributes that differ
        between the replicas (tuned step sizes, what the warm-up did) are lists.

    Raises
    ------
    InputError
        If an argument breaks its rule.  A checkpoint is refused: it is that of one `run`.
    ChainTooShortError
        If the chains of a replica, or all of them together, have not converged.
    Others
        As `run`; the other replicas are abandoned.

    Examples
    --------
    >>> from physgen.samplers import HeatBath
    >>> from physgen.targets import Ising
    >>> ds = run_replicas(
    ...     HeatBath(), Ising(L=4, beta=0.3), 2, n_chains=64, n_draws=20, seed=1
    ... )
    >>> ds.sizes["chain"]
    128
    """
    check_positive_int("n_replicas", n_replicas)
    if how.get("checkpoint") is not None:
        raise InputError(
            "run_replicas takes no checkpoint, which is that of one run; continue a replica r by "
            "run(..., rng=rng.child('replica', r), checkpoint=...)"
        )
    given = {name: how.get(name) for name in ("seed", "rng")}
    if (given["seed"] is None) == (given["rng"] is None):
        raise InputError("seed or rng must be given, and not both, e.g. seed=1")
    stream = as_stream(given["rng"] if given["rng"] is not None else given["seed"])  # type: ignore[arg-type]
    places = _places(sampler, devices)
    failed = threading.Event()

    def replica(r: int) -> xr.Dataset:
        own: Any = dict(how) | {"seed": None, "rng": stream.child("replica", r)}
        own["progress"] = _listener(how.get("progress") if r == 0 else None, failed)
        return run(sampler, target, **own)

    def share(k: int) -> list[xr.Dataset]:
        try:
            with _on(places[k]):
                return [replica(r) for r in range(k, n_replicas, len(places))]
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(len(places)) as pool:
        shares = [pool.submit(share, k) for k in range(len(places))]
    errors = [e for e in (s.exception() for s in shares) if e is not None]
    if errors:
        raise next((e for e in errors if not isinstance(e, _Abandoned)), errors[0])
    parts = [shares[r % len(places)].result()[r // len(places)] for r in range(n_replicas)]
    joined = _joined(parts).assign_attrs(seed=stream.seed, rng=repr(stream))
    return check(joined, quiet=bool(how.get("quiet", False)))


def _places(sampler: Any, devices: Sequence[int] | None) -> list[int | None]:
    """Return the devices that work at the same time; None is the CPU."""
    if getattr(sampler, "device", "cpu") != "cuda":
        if devices is not None:
            raise InputError(
                f"devices are those of a sampler with device='cuda', got {sampler!r}; leave "
                "devices out"
            )
        return [None]
    from physgen.kernels.cuda.launch import n_devices, require_device

    require_device()
    found = n_devices()
    chosen = list(range(found)) if devices is None else [int(d) for d in devices]
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(found)):
        raise InputError(
            f"devices must be different numbers below {found}, the CUDA devices found here, got "
            f"{devices!r}"
        )
    return list(chosen)


@contextmanager
def _on(device: int | None) -> Iterator[None]:
    """Make a device the current one of this thread."""
    if device is None:
        yield
        return
    from physgen.kernels.cuda.launch import on_device_number

    with ExitStack() as stack:
        stack.enter_context(on_device_number(device))
        torch = sys.modules.get("torch")  # chains of a machine are tensors
        if torch is not None and torch.cuda.is_available():
            stack.enter_context(torch.cuda.device(device))
        yield


def _listener(
    progress: Callable[[Progress], None] | None, failed: threading.Event
) -> Callable[[Progress], None]:
    """Return what a run calls five times a second."""

    def heard(now: Progress) -> None:
        if failed.is_set():
            raise _Abandoned("another replica has failed")
        if progress is not None:
            progress(now)

    return heard


def _joined(parts: list[xr.Dataset]) -> xr.Dataset:
    """Return the replicas side by side along `chain`."""
    import xarray as xr

    n_chains = [ds.sizes["chain"] for ds in parts]
    ds = xr.concat(parts, "chain", data_vars="minimal", coords="minimal", compat="override",
                   combine_attrs="override")  # fmt: skip
    every = np.repeat(np.arange(len(parts)), n_chains)
    ds = ds.assign_coords(
        chain=np.arange(sum(n_chains)),
        replica=("chain", every, {"long_name": "run that the chain belongs to"}),
    )
    attrs: dict[str, Any] = {}
    for name in parts[0].attrs:
        values = [part.attrs.get(name) for part in parts]
        same = all(repr(v) == repr(values[0]) for v in values)
        attrs[name] = values[0] if same else values
    said = [
        f"replica {r}: {line}"
        for r, part in enumerate(parts)
        for line in str(part.attrs.get("warnings", "")).split("\n")
        if line
    ]
    return ds.assign_attrs(attrs | {"warnings": "\n".join(said)})
