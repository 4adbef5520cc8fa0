"""What the docstrings of exported names lack, by a rule that a machine can apply.

    python docs/_site/documented.py          # every gap, a line each

A name is an exported function or class; of a class its docstring counts, that of ``__init__``
included.  It is documented if

- its summary is one line that ends with a period;
- every argument stands under Parameters, with a type or "As for `f`" (several of one kind may
  share an entry); a number says in the type or below it what it counts or measures, an array its
  shape, a text what it may be; a noun of physgen (a Stream, a target, a model) needs no more, nor
  does what the docstring says to be as for another function, or to be made by one;
- a function that returns numbers, arrays or Datasets says which, under Returns or Yields, or in a
  summary that begins with "Return" or "Yield"; a class of its own (a Figure, a Density) needs no
  more than its annotation;
- what checks its input, by a ``check_...`` of physgen or by raising an InputError in its own
  lines, has Raises, or says in words that something is refused;
- an everyday name, one of ``physgen`` itself, has an example that is executed: in its docstring,
  or in a page whose blocks are tests (README, docs, tutorials).
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import reference

ROOT = Path(__file__).parents[2]
_HEAD = re.compile(r"^(\w[\w ]*)\n-{3,}\s*$", re.M)
# Types that say nothing of what they hold.
_BARE = re.compile(r"(int|float|bool|str|array(_like)?|dict|list|tuple|callable|Any)\b", re.I)
_ARRAY = re.compile(r"\barray(_like)?s?\b", re.I)
_SHAPE = re.compile(
    r"shape|\(\.\.\.|\(n|\([\w*, ]*\w,|one a |per |scalar|of one (number|element)", re.I
)
_BY_REFERENCE = re.compile(r"(arguments|parameters)\b[^.]*\b(as for|those of)|\bmade by :", re.I)
_CHECKS = re.compile(r"\bcheck_\w+\(|raise \w*(Input|Target|Store)Error|raise InputError")


def names() -> dict[str, object]:
    """Return every exported function and class once, by its path."""
    found: dict[int, tuple[str, object]] = {}
    for room in [*(r for r in reference.ROOMS if r != "physgen"), "physgen"]:
        for name, thing in reference.exported(room):
            if (inspect.isclass(thing) or inspect.isroutine(thing)) and _own(thing):
                found.setdefault(id(thing), (f"{room}.{name}", thing))
    return dict(found.values())


def _own(thing: object) -> bool:
    return str(getattr(thing, "__module__", "")).startswith("physgen")


def gaps() -> dict[str, list[str]]:
    """Return name -> what it lacks, for the names that lack something."""
    shown = executed()
    everyday = {id(thing) for _, thing in reference.exported("physgen")}
    found = {}
    for name, thing in names().items():
        lacks = list(_gaps(name, thing, shown if id(thing) in everyday else None))
        if lacks:
            found[name] = lacks
    return found


def executed() -> str:
    """Return all code on pages that a test executes."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    pages += (ROOT / "docs" / "tutorials").glob("*.md")
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    blocks = re.findall(r"^```(?:python|\{code-cell\} python)\n(.*?)^```", text, flags=re.M | re.S)
    return "\n".join([*blocks, *re.findall(r"^ *(?:>>>|\.\.\.) .*$", text, flags=re.M)])


def sections(doc: str) -> dict[str, str]:
    """Return the parts of a numpydoc docstring; what stands before the first head is ""."""
    parts = _HEAD.split(doc)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2]))


def entries(text: str) -> dict[str, tuple[str, str]]:
    """Return argument -> (type, description) of a section of parameters."""
    found = {}
    for head, rest in re.findall(r"^(\S.*)\n((?:[ \t]+.*\n|\n)*)", text + "\n", flags=re.M):
        listed, _, kind = head.partition(" : ")
        for one in listed.split(","):
            found[one.strip().lstrip("*")] = (kind.strip(), rest.strip())
    return found


def _gaps(name: str, thing: object, shown: str | None) -> Iterator[str]:
    doc = inspect.getdoc(thing) or ""
    made = vars(thing).get("__init__") if inspect.isclass(thing) else None
    if made is not None and made.__doc__:
        doc += "\n\n" + inspect.cleandoc(made.__doc__)
    parts = sections(doc)
    summary = parts[""].strip().split("\n\n")[0]
    if "\n" in summary or not summary.endswith((".", ":")):
        yield "a summary of one line"
    stated = entries(parts.get("Parameters", "") + parts.get("Attributes", ""))
    for argument in arguments(thing) if not _BY_REFERENCE.search(doc) else []:
        kind, text = stated.get(argument, ("", ""))
        if not kind and not text:
            yield f"argument {argument}"
        elif not kind and not _variadic(thing, argument) and not text.startswith(("As ", "Of ")):
            yield f"type of {argument}"
        elif not text and _BARE.fullmatch(kind.removesuffix(", optional")):
            yield f"description of {argument}"
        elif (
            _ARRAY.search(kind)
            and not kind.startswith("float or array")
            and not _SHAPE.search(kind + text)
        ):
            yield f"shape of {argument}"
    if inspect.isroutine(thing):
        returns = inspect.signature(thing).return_annotation
        bare = re.search(r"float|int|ndarray|Any|tuple|dict|Dataset|str|bool", str(returns))
        if bare and not (
            {"Returns", "Yields"} & parts.keys() or summary.startswith(("Return", "Yield"))
        ):
            yield "Returns"
    if _CHECKS.search(_source(thing)) and "Raises" not in parts and "refused" not in doc:
        yield "Raises"
    if shown is not None and "Examples" not in parts:
        last = name.rpartition(".")[2]
        if not re.search(rf"\b{last}\b", shown):
            yield "an example"


def arguments(thing: object) -> list[str]:
    """Return the names of the arguments of a function, or of the constructor of a class."""
    try:
        signature = inspect.signature(thing)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []
    if inspect.isclass(thing) and (issubclass(thing, (tuple, BaseException)) or _protocol(thing)):
        return []  # results and errors are made by physgen; their parts are attributes
    return [name for name in signature.parameters if not name.startswith("_") and name != "self"]


def _variadic(thing: object, argument: str) -> bool:
    kind = inspect.signature(thing).parameters[argument].kind  # type: ignore[arg-type]
    return kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _protocol(thing: type) -> bool:
    return bool(getattr(thing, "_is_protocol", False))


def _source(thing: object) -> str:
    """Return the lines that run when it is called."""
    if not inspect.isclass(thing):
        return inspect.getsource(thing)  # type: ignore[arg-type]
    made = (vars(thing).get(name) for name in ("__init__", "__post_init__", "__new__"))
    return "\n".join(inspect.getsource(one) for one in made if inspect.isfunction(one)
                     and one.__module__ == thing.__module__ and _written(one))  # fmt: skip


def _written(function: object) -> bool:
    """Whether a function stands in a file; a dataclass makes its own `__init__`."""
    return Path(inspect.getfile(function)).exists()  # type: ignore[arg-type]


if __name__ == "__main__":
    lacking = gaps()
    for at, lacks in lacking.items():
        print(f"{at}: {', '.join(lacks)}")
    print(f"{len(names()) - len(lacking)} of {len(names())} names are documented")
