"""`physgen config` lists every key, with what it means; options that concern no run."""

import re

import pytest

import physgen
from physgen.cli import main
from physgen.cli.keys import meanings
from physgen.workflow.kinds import KINDS, config_of
from physgen.workflow.sections import by_name, section_class

SECTIONS = [
    pytest.param(cls, id=f"{kind}-{name}")
    for kind in KINDS
    for name, info in by_name(config_of(kind).model_fields).items()
    if (cls := section_class(info)) is not None
]


@pytest.mark.parametrize("cls", SECTIONS)
def test_every_key_has_a_meaning_and_every_meaning_a_key(cls):
    told = meanings(cls)
    assert set(told) == set(by_name(cls.model_fields))
    for text in told.values():
        assert re.match(r"[A-Z].*\.$", text), text


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_printed_whole(kind, capsys):
    assert main(["config", kind]) == 0
    text = capsys.readouterr().out
    for name, info in by_name(config_of(kind).model_fields).items():
        cls = section_class(info)
        if cls is not None:
            assert f"[{name}]" in text
            for key in by_name(cls.model_fields):
                assert re.search(rf"^  {key} = ", text, re.MULTILINE), key


def test_one_section_is_printed_alone(capsys):
    assert main(["config", "lattice", "smc"]) == 0
    text = capsys.readouterr().out
    assert "n_particles = 512  0, or an integer >= 2" in text
    assert "Independent islands" in text
    assert "[train]" not in text
    assert main(["config", "lattice", "smcc"]) == 2
    assert "did you mean 'smc'?" in capsys.readouterr().err


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"physgen {physgen.__version__}\n"


def test_a_system_is_shown_by_its_name_alone(capsys):
    assert main(["systems", "show", "ising-2d"]) == 0
    shown = capsys.readouterr().out
    assert main(["systems", "ising-2d"]) == 0
    assert capsys.readouterr().out == shown
    assert main(["systems", "ising2d"]) == 2
    assert "did you mean 'ising-2d'?" in capsys.readouterr().err
    assert main(["workflows", "copy", "ising_criticalty"]) == 2
    assert "did you mean 'ising_criticality'?" in capsys.readouterr().err
