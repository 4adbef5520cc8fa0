"""The action of a user: an object of a Python file that a config names.

``[target] file = "my_action.py"``, ``object = "target"`` names either a target (anything with
``event_shape``, ``action`` and, for HMC, a ``force`` or an action in torch; ``physgen.as_target``
makes one of plain functions), or a function or class that returns one, called with the keyword L,
if the config has it, and those in ``[target] parameters``.  The file runs with all rights of the
user.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from physgen.core.errors import InputError, PhysgenError
from physgen.core.protocols import Target
from physgen.targets import whole_target
from physgen.workflow.files import check_digest

__all__ = ["load"]


def load(file: str, name: str, sha256: str | None, arguments: Mapping[str, float]) -> Target:
    """Return the target of one point: the object `name` of `file`, or what it returns.

    Raises
    ------
    InputError
        If the file has changed or raises, has no such object, or the object is no target.
    """
    check_digest("target", file, sha256)
    found = getattr(_module(file), name, None)
    if found is None:
        raise InputError(
            f"[target] object must be a name that {Path(file).name} defines, got {name!r}"
        )
    if not _is_target(found):
        if not callable(found):
            raise InputError(
                f"[target] object must be a target or a function that returns one, got {name!r}, "
                f"a {type(found).__name__}"
            )
        found = _called(file, name, found, arguments)
        if not _is_target(found):
            raise InputError(
                f"[target] object {name!r} must return a target (with event_shape, and "
                f"action), got a {type(found).__name__}; physgen.as_target makes one of functions"
            )
    elif arguments:
        raise InputError(
            f"[target] object {name!r} is a target already, so {', '.join(arguments)} must be "
            "left out; name a function of them to scan"
        )
    return found if isinstance(found, Target) else whole_target(found)


def _is_target(found: Any) -> bool:
    """Whether something has an action and a shape, which is enough."""
    is_made = not isinstance(found, type)
    return is_made and hasattr(found, "action") and hasattr(found, "event_shape")


def _called(file: str, name: str, function: Any, arguments: Mapping[str, Any]) -> Any:
    listed = ", ".join(f"{key} = {value}" for key, value in arguments.items())
    try:
        return function(**arguments)
    except PhysgenError:
        raise
    except Exception as error:
        raise InputError(
            f"[target] {name}({listed}) of {Path(file).name} must return a target, got "
            f"{type(error).__name__}: {error}"
        ) from error


@functools.cache
def _module(file: str) -> ModuleType:
    """Run the file once a process."""
    path = Path(file)
    name = f"_physgen_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"[target] file must be a Python file, got {file!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look there
    try:
        spec.loader.exec_module(module)
    except PhysgenError:
        raise
    except Exception as error:
        raise InputError(
            f"[target] file {path.name} must run, got {type(error).__name__}: {error}"
        ) from error
    return module
