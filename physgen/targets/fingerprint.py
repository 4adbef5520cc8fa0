r"""Fingerprints, which distinguish targets with different numbers.

A target that lists its numbers (:class:`~physgen.core.protocols.Fingerprinted`) has a digest of
their bits as its fingerprint.  Any other target is identified by its action: its fingerprint is a
digest of

.. math:: S(x_1), \dots, S(x_6) \quad\text{at fixed configurations } x_i ,

rounded so that the last bits of exp or of a sum do not matter, and of the bits of all torch
modules that the action uses.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.protocols import Compilable, Density, Fingerprinted, Target
from physgen.core.random import Stream

__all__ = ["digest", "fingerprint", "module_digest", "sampler_fingerprint"]

_SCALES = (0.3, 1.0, 3.0)  # scales of the probed fields
_EACH = 2  # configurations of each scale
_DIGITS = {8: 10, 4: 4}  # digits kept, by bytes of the number
_DEPTH = 4  # depth of the search for modules: wrapper, method, object, list


def digest(*parts: Any) -> str:
    """Return a hash of texts, numbers, arrays and tensors: their bits, types and shapes."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, str):
            found.update(f"text {len(part)} {part}".encode())
            continue
        array = np.ascontiguousarray(_bits(part))
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def module_digest(module: Any) -> str:
    """Return a hash of a torch module: weights, buffers, and plain numbers of all its parts."""
    import torch

    parts: list[Any] = [type(module).__qualname__]
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        parts += [name, tensor]
    common = vars(torch.nn.Module())
    for name, part in module.named_modules():
        for key, value in sorted(vars(part).items()):
            if key not in common and isinstance(value, bool | int | float | complex | str):
                parts += [f"{name}.{key} {value!r}"]
    return digest(*parts)


def fingerprint(target: Any) -> str:
    """Return a digest that distinguishes this target or density from one with other numbers.

    Parameters
    ----------
    target : Target or Density
        If it has a ``fingerprint``, that is returned.
    """
    if isinstance(target, Fingerprinted):
        return str(target.fingerprint)
    function = target.action if hasattr(target, "action") else target.log_prob
    kernel = target.kernel[1] if isinstance(target, Compilable) else ()
    return function_fingerprint(function, target.event_shape, target.support, target, *kernel)


def function_fingerprint(
    function: Callable[[Any], Any], event_shape: tuple[int, ...], support: Any, *more: Any
) -> str:
    """Return the fingerprint of an action that is known only as a function.

    Parameters
    ----------
    function : callable
        S(x) of x (n, *event_shape).
    event_shape, support
        Shape and support of the configurations.
    *more : object
        Arrays are hashed by their bits, other objects by the torch modules inside.
    """
    arrays = [thing for thing in more if isinstance(thing, np.ndarray)]
    held = [thing for thing in more if not isinstance(thing, np.ndarray)]
    owners = [thing.__self__ for thing in held if inspect.ismethod(thing)]
    said = [str(owner.fingerprint) for owner in owners if isinstance(owner, Fingerprinted)]
    modules = {id(m): module_digest(m) for thing in (function, *held) for m in _modules(thing)}
    probed = _probed(function, tuple(event_shape), support)
    return digest(
        str(tuple(event_shape)), repr(support), *probed, *said, *arrays, *modules.values()
    )


def sampler_fingerprint(sampler: Any) -> str:
    """Return a hash of the densities and modules that a sampler holds; "" if it holds none.

    Its repr shows its settings, but not the weights of a proposal density.
    """
    found = []
    for each in fields(sampler) if is_dataclass(sampler) else ():
        value = getattr(sampler, each.name)
        if isinstance(value, Fingerprinted | Density | Target):
            found += [each.name, fingerprint(value)]
        elif inner := sampler_fingerprint(value):
            found += [each.name, inner]
    return digest(*found) if found else ""


def _probed(function: Callable[[Any], Any], shape: tuple[int, ...], support: Any) -> Iterator[str]:
    """Yield the action at fixed configurations, as rounded texts."""
    for k, scale in enumerate(_SCALES):
        x = _configurations(Stream(0).child("fingerprint", k), (_EACH, *shape), support, scale)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                yield from _rounded(to_numpy(function(x)))
        except Exception as error:  # an error also characterizes the action
            yield type(error).__name__


def _rounded(S: np.ndarray) -> Iterator[str]:
    """Yield numbers rounded at one decimal place, set by the largest."""
    digits = _DIGITS.get(S.dtype.itemsize, 10)
    S = np.asarray(S, np.float64)
    largest = float(np.max(np.abs(S), initial=0.0, where=np.isfinite(S)))
    places = digits - int(np.ceil(np.log10(largest))) if largest > 0 else digits
    for value in S.ravel():
        rounded = round(float(value), places) + 0.0 if np.isfinite(value) else float(value)
        yield repr(rounded)  # + 0.0 removes the sign of zero


def _configurations(rng: Stream, shape: tuple[int, ...], support: Any, scale: float) -> np.ndarray:
    generator = rng.numpy()
    kind = getattr(support, "kind", "reals")
    if kind == "spins":
        return 2 * generator.integers(0, 2, shape, np.int8) - 1
    if kind == "outcomes":
        return generator.integers(0, support.K, shape, np.uint8)
    return scale * generator.standard_normal(shape)


def _modules(thing: Any, depth: int = _DEPTH) -> Iterator[Any]:
    """Yield the torch modules that a function or an object holds."""
    torch = sys.modules.get("torch")
    if torch is None or depth == 0:
        return
    if isinstance(thing, torch.nn.Module):
        yield thing
        return
    for inner in _inside(thing):
        yield from _modules(inner, depth - 1)


def _inside(thing: Any) -> list[Any]:
    """Return the parts of a function, a method or an object that may hold modules."""
    if isinstance(thing, functools.partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if inspect.ismethod(thing):
        return [thing.__self__]
    if inspect.isfunction(thing):
        cells = [_content(cell) for cell in thing.__closure__ or ()]
        named = [thing.__globals__.get(name) for name in thing.__code__.co_names]
        # Only the globals that the function names, and no function of another file.
        held = [x for x in named if not (callable(x) and inspect.isroutine(x))]
        defaults = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        return [*cells, *defaults, *held]
    if isinstance(thing, list | tuple):
        return list(thing)
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, type) or inspect.ismodule(thing) or not hasattr(thing, "__dict__"):
        return []
    return list(vars(thing).values())


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return None


def _bits(part: Any) -> np.ndarray:
    """Return the bits of a number, array or tensor as an array."""
    if hasattr(part, "detach") and not str(part.dtype).startswith(("torch.float", "torch.int")):
        import torch

        raw = part.detach().cpu().contiguous().reshape(-1)
        return raw.view(torch.uint8).numpy()  # bfloat16 and bool have no NumPy view
    return to_numpy(part)
