import json

import numpy as np
import pytest

from physgen import samplers
from physgen.core.errors import InputError
from physgen.models.families import FAMILIES
from physgen.results import METHODS, bibtex, collect_provenance, config_hash
from physgen.results.citations import references
from physgen.results.provenance import canonical_json, resumed


def test_hash_depends_on_content_alone():
    assert config_hash({"a": 1, "b": {"c": [1, 2]}}) == config_hash({"b": {"c": (1, 2)}, "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})
    assert canonical_json({"b": True, "a": None}) == '{"a":null,"b":true}'
    for config in ({"x": np.arange(2)}, {"x": float("inf")}, "text"):
        with pytest.raises(InputError, match="config must be"):
            canonical_json(config)


def test_provenance_names_what_was_used():
    attrs = collect_provenance(seed=3, device="cpu", methods=["dmrg", "adam"])
    assert attrs["seed"] == 3
    assert json.loads(attrs["citations"]) == ["adam", "dmrg"]
    assert json.loads(attrs["versions"])["numpy"] == np.__version__
    assert attrs["created"].endswith("+00:00")
    assert "seed" not in collect_provenance()


def test_a_resumed_run_lists_both_versions():
    first = collect_provenance(methods=["dmrg"]) | {"commit": "aaa"}
    second = collect_provenance(methods=["adam"]) | {"commit": "bbb", "device": "cuda"}
    merged = resumed(resumed(first, second), second)
    assert merged["commit"] == "aaa, bbb"
    assert merged["device"] == "cpu, cuda"
    assert json.loads(merged["citations"]) == ["adam", "dmrg"]
    assert merged["versions"] == first["versions"]
    assert merged["created"] == first["created"]


def test_every_method_has_references_and_every_reference_a_method():
    exported = [getattr(samplers, name) for name in samplers.__all__]
    carried = {key for thing in exported for key in getattr(thing, "cites", ())}
    used = {key for keys in METHODS.values() for key in keys} | carried
    used |= {key for row in FAMILIES.values() for key in row.cites}
    assert used == set(references())
    assert bibtex(["Wolff1989", "Wolff1989"]).count("@") == 1
    text = bibtex(["povm-reconstruction", "adam", "adam"])
    assert text.count("@") == 2
    # A work can be cited by its key, as families of models are.
    assert bibtex(["adam", "Cho2014"]) == bibtex(["Cho2014", "Kingma2015"])
    assert "10.1038/s42256-019-0028-1" in text
    for entry in references().values():
        assert entry.count("{") == entry.count("}")
        assert "year = {" in entry
    with pytest.raises(InputError, match="must be one of"):
        bibtex(["nonsense"])
