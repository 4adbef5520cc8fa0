"""What every section of a config has in common: closed, immutable, each rule in words.

A value that breaks the rule of its field is reported as ``[section] key must be <rule>, got
<value>`` (:mod:`physgen.workflow.loading`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

__all__ = [
    "Count",
    "Coupling",
    "Draws",
    "Flag",
    "Fraction",
    "JobConfig",
    "Label",
    "PathText",
    "Positive",
    "ReportSection",
    "Section",
    "Seed",
    "Text",
    "one_of",
    "UNKNOWN_KEY",
    "by_name",
    "rule",
    "rule_of",
    "section_class",
    "unknown_key",
]


def rule(text: str, **bounds: Any) -> Any:
    """Return a pydantic field whose broken rule reads `text`."""
    return Field(json_schema_extra={"rule": text}, **bounds)


def one_of(names: Sequence[str]) -> Any:
    """Return a pydantic field whose value is one of `names`, which are words and hyphens."""
    return rule(f"one of {', '.join(map(repr, names))}", pattern=f"^({'|'.join(names)})$")


def rule_of(fields: Mapping[str, FieldInfo], key: str, lead: str = " ") -> str:
    """Return the rule of a field in words; optional fields keep it in their annotation."""
    info = fields.get(key)
    if info is None:
        return ""
    sources = [
        info,
        *(m for a in get_args(info.annotation) for m in getattr(a, "__metadata__", ())),
    ]
    for source in sources:
        extra = getattr(source, "json_schema_extra", None)
        if isinstance(extra, dict) and "rule" in extra:
            return f"{lead}{extra['rule']}"
    return ""


def section_class(info: FieldInfo) -> type[BaseModel] | None:
    """Return the section class of a field, which may be optional or a list of them."""
    found = [info.annotation]
    for annotation in found:  # grows as it is walked
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        found += get_args(annotation)
    return None


def by_name(fields: Mapping[str, FieldInfo]) -> dict[str, FieldInfo]:
    """Return fields by the names that a config gives them."""
    return {info.alias or name: info for name, info in fields.items()}


UNKNOWN_KEY = "unknown_key"


def unknown_key(key: str, known: Iterable[str]) -> PydanticCustomError:
    """Return the complaint about a key, for a section whose keys depend on what it names."""
    return PydanticCustomError(UNKNOWN_KEY, "unknown key", {"key": key, "known": list(known)})


Count = Annotated[int, rule("a positive integer", ge=1)]
# A standard error needs two draws.
Draws = Annotated[int, rule("an integer >= 2", ge=2)]
Coupling = Annotated[float, rule("a finite number", allow_inf_nan=False)]
Positive = Annotated[float, rule("a positive number", gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, rule("a number in [0, 1)", ge=0, lt=1, allow_inf_nan=False)]
Flag = Annotated[bool, rule("true or false")]
Text = Annotated[str, rule("a text")]
Label = Annotated[
    str,
    rule("a text of letters, digits, '_', '+' and '-'", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_+-]*$"),
]
PathText = Annotated[str, rule("a path to a file", min_length=1)]


class Section(BaseModel):
    """A closed, immutable table of values that are never converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Seed = Annotated[int, rule("an integer in [0, 2**63)", ge=0, lt=2**63)]


class ReportSection(Section):
    """The HTML page and its figures.

    Attributes
    ----------
    title
        Head of the page; what is computed if left out.
    """

    title: Text = ""


class JobConfig(Section):
    """A whole config: what every kind of job has, and how it identifies a run.

    The canonical form, with all defaults filled in, is the run: two configs with the same one are
    the same run.  A file counts by its SHA-256, not by where it lies, so a project can be moved.

    Attributes
    ----------
    KIND : str
        The kind of run, a key of :data:`physgen.workflow.kinds.KINDS`.
    LAYOUT : int
        Version of the groups that this kind of run has in its file.
    FILE_SECTIONS : tuple of str
        Sections that may name a file (keys ``file`` and ``sha256``).
    """

    KIND: ClassVar[str]
    LAYOUT: ClassVar[int] = 1
    FILE_SECTIONS: ClassVar[tuple[str, ...]] = ()

    seed: Seed = 1
    report: ReportSection = ReportSection()
    # Which places of a scan this process works on: no part of the run's identity.
    _places: frozenset[int] | None = PrivateAttr(default=None)

    def cut_down(self, places: Iterable[int]) -> Self:
        """Return the same run, of whose places only these are worked on, by number."""
        cut = self.model_copy()
        cut._places = frozenset(places)
        return cut

    def takes(self, number: int) -> bool:
        """Whether place `number` is worked on."""
        return self._places is None or number in self._places

    @model_validator(mode="after")
    def _sha256_beside_a_file(self) -> JobConfig:
        for name in self.FILE_SECTIONS:
            section = getattr(self, name)
            if section is not None and section.sha256 is not None and section.file is None:
                raise ValueError(
                    f"[{name}] sha256 must stand beside a file, got {section.sha256!r} without "
                    "one; name the file or remove sha256"
                )
        return self

    @property
    def device(self) -> str:
        """What the run computes on."""
        return "cpu"

    @property
    def least_shards(self) -> int:
        """How many processes can share any of its fits; 1 if it fits nothing."""
        return 1

    def canonical(self) -> dict[str, Any]:
        """Return the JSON-able form with every default filled in; it identifies the run.

        Where a file is known by its SHA-256 its path is left out; :meth:`files` has it.
        """
        table = self.model_dump(by_alias=True, mode="json")
        for section in self.files():
            if table[section]["sha256"] is not None:
                del table[section]["file"]
        return table

    def files(self) -> dict[str, str]:
        """Return the path of the file that each section names, by section."""
        sections = {name: getattr(self, name) for name in self.FILE_SECTIONS}
        return {
            name: section.file
            for name, section in sections.items()
            if section is not None and section.file is not None
        }
