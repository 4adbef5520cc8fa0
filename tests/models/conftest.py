"""In the fast suite a class that has several families, or variants, is represented by one."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Recurrent cells differ in one formula, and variants in their sizes; `make test-all` runs them.
REPRESENTED = {
    "test_contract.py": {
        "rnn", "gru", "gru, no features", "convolution, more layers than sites",
        "transformer, one head",
    },
    "test_raster.py": {"spin-rnn", "spin-gru", "pixel-net, wide", "recurrent-2d, tanh"},
}  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        others = REPRESENTED.get(item.path.name) if item.path.parent == HERE else None
        params = item.callspec.params if others and hasattr(item, "callspec") else {}
        if others and others & {p for p in params.values() if isinstance(p, str)}:
            item.add_marker(pytest.mark.slow)
