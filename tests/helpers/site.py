"""The modules that build the site; they are no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def site_module(name: str) -> ModuleType:
    """Return ``docs/_site/<name>.py``."""
    known = f"physgen_site_{name}"
    if known not in sys.modules:
        path = ROOT / "docs" / "_site" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(known, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]
