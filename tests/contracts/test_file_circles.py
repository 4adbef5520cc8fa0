"""No two files of physgen import each other, directly or by way of others.

Imports inside functions, under TYPE_CHECKING and by ``import_module`` count.  A name that a
package exports counts as an import of the file that defines it, as its ``__init__.pyi`` says.
"""

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "physgen"
# The name of a POVM may be a file, and what is in a file is a POVM.
EXCEPTED = [("physgen.quantum.povm", "physgen.quantum.povm_files")]
# Imports that close a circle and are being removed; at the end there are none.
KNOWN = [
    ("physgen.samplers.fields.arrays", "physgen.samplers.fields.moves"),
    ("physgen.samplers.fields.cuda", "physgen.samplers.fields.moves"),
    ("physgen.samplers.fields.phi4", "physgen.samplers.fields.moves"),
    ("physgen.workflow.job", "physgen.workflow.lattice.job"),
    ("physgen.workflow.job", "physgen.workflow.neural.job"),
    ("physgen.workflow.job", "physgen.workflow.reconstruction.job"),
    ("physgen.workflow.job", "physgen.workflow.summary"),
]


def name_of(path, root):
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def origin_of(node, package):
    """Return the module that a ``from ... import`` in a file of `package` names."""
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    return ".".join([*base, *filter(None, [node.module])])


def called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", None))


def graph(root):
    """Return module -> modules it imports, for all files of the package `root`."""
    files = {name_of(path, root): path for path in root.rglob("*.py")}
    exports = {
        f"{package}.{a.asname or a.name}": (origin_of(node, package), a.name)
        for stub in root.rglob("__init__.pyi")
        for package in [name_of(stub, root)]
        for node in ast.walk(ast.parse(stub.read_text()))
        if isinstance(node, ast.ImportFrom)
        for a in node.names
    }

    def defining(module, name):
        full = f"{module}.{name}"
        if full not in files and exports.get(full, (module, name)) != (module, name):
            return defining(*exports[full])
        return full if full in files else module

    def imported(module, path):
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (a.name for a in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (defining(origin_of(node, package), a.name) for a in node.names)
            elif isinstance(node, ast.Call) and called(node) == "import_module":
                text = getattr(node.args[0], "values", node.args[:1])  # of an f-string, or not
                known = "".join(p.value if isinstance(p, ast.Constant) else "*" for p in text)
                yield from (m for m in files if fnmatch(m, known))

    return {m: set(imported(m, path)) & files.keys() - {m} for m, path in files.items()}


def circles(edges):
    """Return a shortest circle of each set of modules that all lead to each other, as text."""
    found = {}
    for start in sorted(edges):
        way, waiting = {}, [start]  # module -> the one that led to it, nearest first
        for m in waiting:
            new = sorted(edges[m] - way.keys())
            way |= dict.fromkeys(new, m)
            waiting += [n for n in new if n != start]
        if start in way:
            ring = [start, way[start]]
            while ring[-1] != start:
                ring.append(way[ring[-1]])
            group = frozenset(m for m in way if start in reach(edges, m))
            found.setdefault(group, " -> ".join(reversed(ring)))
    return list(found.values())


def reach(edges, start):
    seen, waiting = set(), [start]
    while waiting:
        new = edges[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def test_no_circle_among_files():
    edges = graph(PACKAGE)
    assert len(edges) > 300
    for importer, other in [*EXCEPTED, *KNOWN]:
        edges.get(importer, set()).discard(other)
    assert circles(edges) == []


@pytest.mark.parametrize(
    ("a", "found"),
    [
        ("from pack.room.b import B", True),
        ("def f():\n    import pack.room.b", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import b", True),
        ("from .absent import C", False),
        ("from pack.room import Exported", True),
        ("from importlib import import_module\nimport_module('pack.room.b')", True),
        ("import importlib\nimportlib.import_module(f'pack.{kind}.b')", True),
        ("x = 1", False),
        ("from pack.room import c", False),
    ],
)
def test_a_circle_is_found(tmp_path, a, found):
    """a -> b -> c -> a, whatever the import of b in a looks like."""
    room = tmp_path / "pack" / "room"
    room.mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").touch()
    (room / "__init__.py").touch()
    (room / "__init__.pyi").write_text("from .b import B as Exported\n")
    (room / "a.py").write_text(a)
    (room / "b.py").write_text("from ..room import c\n")
    (room / "c.py").write_text("def later():\n    from pack.room.a import x\n")
    (room / "apart.py").write_text("from pack.room import a, b, c\n")
    if "pack.room import c" in a:
        (room / "c.py").write_text("")
    ring = "pack.room.a -> pack.room.b -> pack.room.c -> pack.room.a"
    assert circles(graph(tmp_path / "pack")) == [ring] * found
