"""One row a family: what it says is true of its class, and of what is trained by it."""

import inspect
import subprocess
import sys

import pytest

from physgen import models
from physgen.core.errors import InputError
from physgen.models.base import DensityModel, EnergyModel, Generator
from physgen.models.families import FAMILIES, Family, family, name_of
from physgen.models.joint import JointModel
from physgen.results.citations import references
from physgen.training import FitSettings, recipe

BASES = {
    "density": DensityModel,
    "energy": EnergyModel,
    "joint": JointModel,
    "simulator": Generator,
}
every_row = pytest.mark.parametrize("row", FAMILIES.values(), ids=list(FAMILIES))


@every_row
def test_a_row_is_true(row):
    cls = row.load()
    assert issubclass(cls, BASES[row.kind])
    assert row.support in models.families.SUPPORTS
    arguments = [
        name
        for name, p in inspect.signature(cls.__init__).parameters.items()
        if p.kind is not p.VAR_KEYWORD and name not in {"self", "rng", *row.fixed}
    ]
    assert list(row.arguments) == arguments
    assert {*row.fixed, *row.defaults} <= set(inspect.signature(cls.__init__).parameters)
    assert isinstance(recipe(row.name), FitSettings)
    assert row.cites
    assert set(row.cites) <= set(references())
    assert row.about
    assert row.about[-1] != "."


def test_a_class_with_several_names_knows_which_it_is():
    sizes = {"L": 3, "K": 4}
    found = [name_of(models.build({"family": cell, **sizes})) for cell in ("rnn", "gru", "lstm")]
    assert found == ["rnn", "gru", "lstm"]
    states = [models.MatrixProduct(3, "pauli-4", kraus=k) for k in (1, 2, 4)]
    assert [name_of(state) for state in states] == ["mps", "lpdo", "lpdo"]
    assert models.build({"family": "lpdo", "L": 3, "povm": "pauli-4"}).kraus == 2
    with pytest.raises(InputError, match=r"'gru': .*cell"):
        models.build({"family": "gru", "cell": "lstm", **sizes})
    with pytest.raises(InputError, match="must be one of physgen"):
        name_of(object())


def test_rows_are_read_without_torch_or_numba():
    code = (
        "import sys; from physgen.models.families import FAMILIES;"
        "[row.arguments for row in FAMILIES.values()]; import physgen.training.recipes;"
        "print([m for m in ('torch', 'numba') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_new_row_is_a_family_everywhere(monkeypatch):
    row = Family("tiny", "autoregressive.recurrent:RecurrentNet", "outcomes", "a throw-away")
    monkeypatch.setattr(models.families, "FAMILIES", {**FAMILIES, "tiny": row})
    assert family("tiny") is row
    assert models.families.names()[-1] == "tiny"
    with pytest.raises(InputError, match="family must be one of"):
        family("wavenet")
