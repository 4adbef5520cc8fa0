"""Protocols by what an object answers to, alike on every version of Python.

From Python 3.12 on, ``isinstance(x, SomeProtocol)`` looks at the class of x and into its
``__dict__``, and no longer asks x.  It then misses what ``__getattr__`` hands on (parameters of a
torch module, members of a wrapped target), and believes in a property that raises AttributeError
(an action that has a compiled loop for some couplings only).  Protocols of physgen ask, as those
of Python 3.11 do:

.. code-block:: python

    @runtime_checkable
    class Target(Structural, Protocol): ...
"""

from __future__ import annotations

from functools import cache
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, Protocol

__all__ = ["Structural"]

if TYPE_CHECKING:
    from abc import ABCMeta as _Meta
else:
    _Meta = type(Protocol)


class _Asking(_Meta):
    """The class of protocols whose members are looked up on the object itself."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if not cls.__dict__.get("_is_protocol", False):  # a class that someone derived from one
            return super().__instancecheck__(instance)
        return all(_answers(instance, name, must) for name, must in _members(cls))


class Structural(Protocol, metaclass=_Asking):
    """Base of the protocols of physgen."""


@cache
def _members(protocol: Any) -> tuple[tuple[str, bool], ...]:
    """Return the names of the members, each with whether it is a method."""
    found: dict[str, bool] = {}
    for base in protocol.__mro__:
        if base.__dict__.get("_is_protocol", False) and base not in (Protocol, Structural):
            for name in (*base.__dict__, *get_annotations(base)):
                if not name.startswith("_"):
                    found.setdefault(name, callable(base.__dict__.get(name)))
    return tuple(found.items())


def _answers(instance: Any, name: str, is_method: bool) -> bool:
    """Whether there is such a member; a method that is None says that there is none."""
    try:
        value = getattr(instance, name)
    except AttributeError:
        return False
    return value is not None or not is_method
