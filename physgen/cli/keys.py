"""Every key that a config may hold, read from the classes that check it."""

from __future__ import annotations

import inspect
import re

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from physgen.cli.console import stdout
from physgen.core.checks import check_choice, is_list_or_tuple
from physgen.workflow.kinds import KINDS, config_of
from physgen.workflow.sections import by_name, rule_of, section_class

__all__ = ["meanings", "print_keys"]


def print_keys(kind: str, section: str | None = None) -> None:
    """Print the sections of a kind of config, or one of them: keys, rules, defaults, meanings."""
    config = config_of(check_choice("kind", kind, tuple(KINDS)))
    fields = by_name(config.model_fields)
    sections = {name: section_class(info) for name, info in fields.items()}
    known = [name for name, cls in sections.items() if cls is not None]
    chosen = known if section is None else [check_choice("section", section, known)]
    console = stdout()
    if section is None:
        _print_key(
            console, "seed", fields["seed"], rule_of(fields, "seed"), "Root of all numbers."
        )
    for name in chosen:
        cls = sections[name]
        if cls is not None:
            _print_section(console, name, fields[name], cls)


def meanings(cls: type[BaseModel]) -> dict[str, str]:
    """Return what each key means: the section "Attributes" of the class's docstring."""
    doc = inspect.cleandoc(cls.__doc__ or "")
    _, _, listed = doc.partition("Attributes\n----------\n")
    found = re.findall(r"^(\w+)\n((?:    .*\n?)+)", listed, flags=re.MULTILINE)
    return {key: " ".join(text.split()) for key, text in found}


def _print_section(console: Console, name: str, info: FieldInfo, cls: type[BaseModel]) -> None:
    several = "list[" in str(info.annotation) or "tuple[" in str(info.annotation)
    head = f"[[{name}]]" if several else f"[{name}]"
    console.print()
    console.print(Text(head, style="bold"), Text(_first_line(cls)))
    means, fields = meanings(cls), by_name(cls.model_fields)
    for key, field in fields.items():
        _print_key(console, key, field, rule_of(fields, key), means.get(key, ""))
    if cls.model_config.get("extra") == "allow":
        others = _OTHERS.get(name, "")
        console.print(Padding(Text(f"and {others}", style="dim"), (0, 0, 0, 2)))


_OTHERS = {
    "system": "the parameters of the system (`physgen systems NAME`)",
    "target": "the couplings of the system (`physgen systems NAME`)",
    "sampler": "the settings of the algorithm",
    "model": "the arguments of the family's class",
    "observables": 'operators by names of your own: NAME = "sum XX + YY + ZZ" or "X0 Z3 Y7"',
}


def _print_key(console: Console, key: str, field: FieldInfo, rule: str, meaning: str) -> None:
    line = Text("  ") + Text(key, style="bold") + Text(f" = {_default(field)}")
    console.print(line + Text(f"  {rule.strip()}", style="dim") if rule else line)
    if meaning:
        console.print(Padding(Text(meaning), (0, 0, 0, 6)))


def _default(field: FieldInfo) -> str:
    """Return the default of a key as TOML has it."""
    if field.is_required():
        return "(must be given)"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel):
        return "(left out)"
    if isinstance(value, bool):
        return str(value).lower()
    if is_list_or_tuple(value):
        return f"[{', '.join(map(repr, value))}]"
    return repr(value).replace("'", '"')


def _first_line(cls: type[BaseModel]) -> str:
    return inspect.cleandoc(cls.__doc__ or "").split("\n")[0]
