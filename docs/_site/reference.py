"""Pages of the reference: a page a room, every exported name once, from its docstring."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

# Room -> what its page is called, in the order of the contents.
ROOMS = {
    "physgen": "Everyday names",
    "physgen.targets": "Targets: actions",
    "physgen.lattice": "Lattices",
    "physgen.quantum": "Quantum states and measurements",
    "physgen.quantum.tomography": "Tomography",
    "physgen.exact": "Exact values",
    "physgen.catalogue": "The catalogue of systems",
    "physgen.samplers": "Samplers, importance, log Z",
    "physgen.models": "Models",
    "physgen.models.energy": "Energies",
    "physgen.models.diffusion": "Diffusion",
    "physgen.models.latent": "Latent variables",
    "physgen.models.adversarial": "Generators",
    "physgen.models.classical": "Classical densities",
    "physgen.training": "Training",
    "physgen.validation": "Validation and comparison",
    "physgen.observables": "Observables",
    "physgen.analysis": "Series, errors, reweighting",
    "physgen.results": "Runs on disk",
    "physgen.plotting": "Figures",
    "physgen.claims": "Published numbers",
}


def write(folder: Path) -> None:
    """Write a page a room, and one that lists them; leave pages that say the same already."""
    folder.mkdir(exist_ok=True)
    documented: dict[int, str] = {}
    pages = {}
    # Rooms come before the everyday names, which are theirs: there they are links.
    for room in [*(r for r in ROOMS if r != "physgen"), "physgen"]:
        text = "\n".join(_page(room, documented))
        if text:
            pages[room.replace(".", "-")] = text
    listed = "\n".join(room.replace(".", "-") for room in ROOMS if room.replace(".", "-") in pages)
    pages["index"] = (
        "# Reference\n\nEvery exported name, once, by room, with shapes, units, ranges and errors."
        f"\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def exported(room: str) -> Iterator[tuple[str, object]]:
    """Yield the names that a room exports, and what they are."""
    module = importlib.import_module(room)
    for name in sorted(getattr(module, "__all__", ()), key=str.lower):
        yield name, getattr(module, name)


def _page(room: str, documented: dict[int, str]) -> Iterator[str]:
    found = list(exported(room))
    if not found:
        return
    yield f"# {ROOMS[room]}\n\n`{room}`\n"
    links, blocks = [], []
    for name, thing in found:
        at = f"{room}.{name}"
        if inspect.ismodule(thing):
            continue
        known = documented.get(id(thing))
        if known and not isinstance(thing, (str, int, float, tuple, dict)):
            links.append(f"- {{py:obj}}`{name} <{known}>`: {_summary(thing)}")
            continue
        documented[id(thing)] = at
        kind = _kind(thing)
        if kind is None:
            continue
        options = "\n   :members:" if kind == "class" else ""
        blocks.append(f"```{{eval-rst}}\n.. auto{kind}:: {at}{options}\n```\n")
    if links:
        yield "\n".join(links) + "\n"
    yield from blocks


def _kind(thing: object) -> str | None:
    if inspect.isclass(thing):
        return "exception" if issubclass(thing, BaseException) else "class"
    return "function" if callable(thing) else None


def _summary(thing: object) -> str:
    return (inspect.getdoc(thing) or "").strip().split("\n")[0]
