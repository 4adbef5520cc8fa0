"""The rules of a run directory: same run, other run, foreign, locked, damaged, newer."""

import itertools
import multiprocessing
import os

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from physgen.core.errors import InputError, StoreError
from physgen.results import RunStore, open_run
from physgen.results.layers import RUN_FILE
from physgen.results.segments import segment_path, segment_paths

CONFIG = {"seed": 7, "training": {"n_epochs": 10}}


def chain(start, stop):
    draws = np.arange(start, stop)
    return xr.Dataset(
        {
            "energy": ("draw", draws * 0.5),
            "label": ("draw", np.array([f"draw {i}" for i in draws], dtype=str)),
            "spins": (("draw", "site"), (draws[:, None] % 2 * np.ones(3)).astype(np.int8)),
            "accepted": ("draw", draws % 3 == 0),
            "beta": 0.4,
        },
        coords={"site": ["a", "b", "c"], "draw": draws},
    )


def in_progress(path, n=3):
    """Leave a run as a killed process would: two segments over run.h5, no lock held."""
    store = RunStore.open(path, CONFIG)
    store.commit({"chain": chain(0, 100)})
    store.close()
    os.mkdir(path / ".segments")
    store = RunStore.open(path, CONFIG)
    store._compact_if_due = lambda: None
    for k in range(1, n):
        store.commit({"chain": chain(100 * k, 100 * (k + 1))}, append={"chain": "draw"})
    store._layers.close()
    store._lock.release()
    return path


def test_life_of_a_run(tmp_path):
    path = tmp_path / "deep" / "run"
    with RunStore.open(path, CONFIG) as store:
        assert store.config == CONFIG
        assert not store.complete
        assert store.groups() == ()
        store.commit({"training": xr.Dataset({"nll": ("epoch", [2.0, 1.0])})})
        store.commit({"chain": chain(0, 5), "model": xr.Dataset({"w": ("k", [1.0])})})
        store.commit({"chain": chain(5, 9)}, append={"chain": "draw"})
        store.commit({"training": xr.Dataset({"nll": ("epoch", [2.0, 1.0, 0.5])})})
        assert store.groups() == ("chain", "model", "training")
        assert store.has("/training/")
        assert not store.has("samples")
        assert store.read("training").nll.values.tolist() == [2.0, 1.0, 0.5]
        assert store.read("chain").identical(chain(0, 9))
        store.cite("dmrg", "adam")
        store.finish({"device": "cpu", "figure": {"b": 1, "a": True}})
        assert store.complete
    assert os.listdir(path) == [RUN_FILE]
    tree = open_run(path)
    assert tree.identical(open_run(path / RUN_FILE))
    assert tree["chain"].to_dataset().identical(chain(0, 9))
    assert tree.attrs["complete"] == 1
    assert tree.attrs["figure"] == '{"a": true, "b": 1}'
    assert tree.attrs["citations"] == '["adam", "dmrg"]'
    assert tree.attrs["seed"] == 7
    with RunStore.open(path, CONFIG) as store:
        assert store.complete
        assert store.read("chain").identical(chain(0, 9))
    assert os.listdir(path) == [RUN_FILE]


def test_resume_reads_the_configuration(tmp_path):
    path = in_progress(tmp_path / "run")
    with RunStore.resume(path) as store:
        assert store.config == CONFIG
        assert store.read("chain").identical(chain(0, 300))
        store.finish()
    assert os.listdir(path) == [RUN_FILE]
    with pytest.raises(StoreError, match="no physgen run"):
        RunStore.resume(tmp_path)


def test_time_adds_up_over_resumes(tmp_path):
    with RunStore.open(tmp_path, CONFIG) as store:
        sum(range(300_000))
    first = open_run(tmp_path).attrs
    with RunStore.resume(tmp_path) as store:
        sum(range(300_000))
        store.finish()
    second = open_run(tmp_path).attrs
    assert second["created"] == first["created"]
    assert 0 < first["cpu_seconds"] < second["cpu_seconds"] < 60
    assert 0 < first["wall_seconds"] < second["wall_seconds"]


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.booleans())
def test_append_in_any_blocks_equals_one_write(tmp_path_factory, sizes, merge):
    path = tmp_path_factory.mktemp("run")
    with RunStore.open(path, CONFIG) as store:
        if not merge:
            store._compact_if_due = lambda: None
        edges = np.cumsum([0, *sizes])
        for a, b in itertools.pairwise(edges):
            store.commit({"chain": chain(a, b)}, append={"chain": "draw"})
            assert store.read("chain").sizes["draw"] == b
        store.finish()
    whole = chain(0, edges[-1])
    assert open_run(path)["chain"].to_dataset().identical(whole)


def test_append_along_a_later_axis(tmp_path):
    whole = xr.Dataset({"x": (("chain", "draw"), np.arange(12.0).reshape(2, 6))})
    with RunStore.open(tmp_path, CONFIG) as store:
        for a, b in ((0, 1), (1, 1), (1, 6)):
            store.commit({"c": whole.isel(draw=slice(a, b))}, append={"c": "draw"})
        store.commit({"c": whole}, append={"c": "chain"})  # another dim than before
    assert open_run(tmp_path)["c"].to_dataset().identical(xr.concat([whole, whole], "chain"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_vars("energy"), "must have its variables"),
        (
            lambda ds: ds.assign(energy=ds.energy.astype(np.float32)),
            "energy must be float64",
        ),
        (lambda ds: ds.isel(site=slice(2)), "chain/spins must be int8"),
        (lambda ds: ds.assign(beta=0.5), "has no dim 'draw', so it must equal"),
    ],
)
def test_appended_block_must_fit(tmp_path, change, message):
    with RunStore.open(tmp_path, CONFIG) as store:
        store.commit({"chain": chain(0, 5)})
        with pytest.raises(InputError, match=message):
            store.commit({"chain": change(chain(5, 9))}, append={"chain": "draw"})
        assert store.read("chain").identical(chain(0, 5))


def test_bad_commits(tmp_path):
    with RunStore.open(tmp_path, CONFIG) as store:
        with pytest.raises(InputError, match="append must name groups of the same commit"):
            store.commit({}, append={"chain": "draw"})
        with pytest.raises(InputError, match="append dim of group 'chain' must be one of"):
            store.commit({"chain": chain(0, 2)}, append={"chain": "time"})
        with pytest.raises(InputError, match="group name"):
            store.commit({"a b": chain(0, 2)})
        with pytest.raises(InputError, match="group must be one of"):
            store.read("nothing")
        nested = {"a": xr.Dataset({"x": ("k", [1])}), "a/b": xr.Dataset({"y": ("k", [1, 2])})}
        with pytest.raises(InputError, match="dim 'k' must not be in both /a and /a/b"):
            store.commit(nested)
        with pytest.raises(InputError, match="named like the group"):
            store.commit({"a": xr.Dataset({"b": 1}), "a/b": xr.Dataset({"y": 1})})
        with pytest.raises(InputError, match="a method to cite"):
            store.cite("astrology")
    with pytest.raises(StoreError, match="closed"):
        store.commit({"chain": chain(0, 2)})
    for config in ({"x": np.float64("nan")}, {"x": object()}, [1]):
        with pytest.raises(InputError, match="config must be"):
            RunStore.open(tmp_path / "other", config)


def test_another_configuration_is_refused_unless_forced(tmp_path):
    in_progress(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".segments" / "mine.h5").write_text("mine")
    other = {"seed": 7, "training": {"n_epochs": 20}}
    with pytest.raises(StoreError, match=r"training.n_epochs is 10 there, 20 here") as error:
        RunStore.open(tmp_path, other)
    assert "--force" in str(error.value)
    assert open_run(tmp_path)["chain"].sizes["draw"] == 300
    with RunStore.open(tmp_path, other, force=True) as store:
        assert store.groups() == ()
        assert store.config == other
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / ".segments" / "mine.h5").read_text() == "mine"


def test_force_goes_on_with_the_same_run(tmp_path):
    in_progress(tmp_path)
    with RunStore.open(tmp_path, CONFIG, force=True) as store:
        assert store.read("chain").sizes["draw"] == 300


def test_foreign_directories(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"not empty and holds no physgen run.*thesis.tex"):
        RunStore.open(tmp_path, CONFIG)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    with pytest.raises(StoreError, match="is a file"):
        RunStore.open(tmp_path / "thesis.tex", CONFIG)
    RunStore.open(tmp_path, CONFIG, force=True).close()
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("force", [False, True])
def test_a_foreign_run_h5_is_never_replaced(tmp_path, force):
    with h5py.File(tmp_path / RUN_FILE, "w") as file:
        file["mine"] = [1.0, 2.0]
    with pytest.raises(StoreError, match=r"not written by physgen|did not write"):
        RunStore.open(tmp_path, CONFIG, force=force)
    with h5py.File(tmp_path / RUN_FILE) as file:
        assert list(file) == ["mine"]
    assert os.listdir(tmp_path) == [RUN_FILE]


def test_a_run_h5_that_cannot_be_read_is_not_said_to_be_foreign(tmp_path):
    RunStore.open(tmp_path, CONFIG).close()
    content = (tmp_path / RUN_FILE).read_bytes()
    (tmp_path / RUN_FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match=r"cannot be told whether physgen wrote it.*move it away"):
        RunStore.open(tmp_path, CONFIG, force=True)
    assert (tmp_path / RUN_FILE).read_bytes() == content[: len(content) // 2]


def test_a_run_that_died_as_it_began_is_no_foreign_directory(tmp_path):
    (tmp_path / ".segments").mkdir()
    (tmp_path / ".segments" / "000001.h5.tmp").write_bytes(b"half")
    (tmp_path / ".lock").touch()
    with pytest.raises(StoreError, match="no physgen run"):
        open_run(tmp_path)
    RunStore.open(tmp_path, CONFIG).close()
    assert os.listdir(tmp_path) == [RUN_FILE]


def _hold(path, held, done):
    with RunStore.open(path, CONFIG):
        held.set()
        done.wait(30)


def test_one_writer_at_a_time(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    writer = context.Process(target=_hold, args=(tmp_path, held, done))
    writer.start()
    assert held.wait(30)
    for attempt in (lambda: RunStore.open(tmp_path, CONFIG), lambda: RunStore.resume(tmp_path)):
        with pytest.raises(StoreError, match="being written by another process"):
            attempt()
    assert open_run(tmp_path).attrs["complete"] == 0
    done.set()
    writer.join(30)
    assert writer.exitcode == 0
    RunStore.open(tmp_path, CONFIG).close()


def test_reading_while_another_process_writes(tmp_path):
    """A reader sees a state that was committed, and never an older one than before."""
    store = RunStore.open(tmp_path, CONFIG)
    child = os.fork() if hasattr(os, "fork") else None
    if child == 0:
        try:
            for k in range(60):
                block = chain(50 * k, 50 * (k + 1))
                store.commit({"chain": block}, append={"chain": "draw"})
            os._exit(0)
        except BaseException:
            os._exit(1)
    seen, status = 0, (0, 0)
    while status[0] == 0:
        status = os.waitpid(child, os.WNOHANG)
        tree = open_run(tmp_path)
        if "chain" in tree.children:
            n = tree["chain"].sizes["draw"]
            assert n >= seen
            assert n % 50 == 0
            assert tree["chain"].to_dataset().identical(chain(0, n))
            seen = n
    assert status[1] == 0
    assert seen == 3000


def corrupt(path, offset=-200):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", ["flip", "tear", "empty", "gone", "foreign", "renumber"])
def test_a_damaged_segment_is_an_error_and_not_skipped(tmp_path, damage):
    path = in_progress(tmp_path / "run")
    last, before = (list(segment_paths(path).values())[k] for k in (-1, -2))
    named = last
    if damage == "flip":
        corrupt(last)
    elif damage == "tear":
        os.truncate(last, last.stat().st_size // 2)
    elif damage == "empty":
        os.truncate(last, 0)
    elif damage == "gone":
        before.unlink()
        named = before
    elif damage == "foreign":
        last.write_bytes(b"not a segment" * 100)
    elif damage == "renumber":
        last.write_bytes(before.read_bytes())
    for attempt in (
        lambda: open_run(path),
        lambda: RunStore.open(path, CONFIG),
        lambda: RunStore.resume(path),
    ):
        with pytest.raises(StoreError, match="is damaged") as error:
            attempt()
        assert str(named) in str(error.value)
        assert "restore it from a backup" in str(error.value)
    last.unlink()  # the other remedy that the message names
    if damage != "gone":
        assert open_run(path)["chain"].to_dataset().identical(chain(0, 200))


def test_a_segment_of_another_run_is_an_error(tmp_path):
    path = in_progress(tmp_path / "run")
    stranger = tmp_path / "stranger"
    store = RunStore.open(stranger, {"seed": 8})
    store._compact_if_due = lambda: None
    for _ in range(3):
        store.commit({"chain": chain(0, 1)})
    os.replace(segment_path(stranger, 4), segment_path(path, 4))
    store.close = lambda: None
    with pytest.raises(StoreError, match="another configuration"):
        open_run(path)


def test_a_changed_fingerprint_of_the_same_values_is_told(tmp_path):
    RunStore.open(tmp_path, CONFIG).close()
    with h5py.File(tmp_path / RUN_FILE, "r+") as file:
        file.attrs["config_hash"] = "0" * len(file.attrs["config_hash"])
    with pytest.raises(StoreError, match="of the same values; its fingerprint was changed"):
        RunStore.open(tmp_path, CONFIG)


def test_damaged_run_file(tmp_path):
    RunStore.open(tmp_path, CONFIG).close()
    run = tmp_path / RUN_FILE
    whole = run.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"text" * 1000):
        run.write_bytes(broken)
        for attempt in (
            lambda: open_run(run),
            lambda: open_run(tmp_path),
            lambda: RunStore.open(tmp_path, CONFIG),
        ):
            with pytest.raises(StoreError, match=r"run.h5 cannot be read.*restore it") as error:
                attempt()
            assert "\n" not in str(error.value)


def test_flipped_bit_in_data_of_run_file(tmp_path):
    spins = np.random.default_rng(0).integers(0, 4, (1000, 50), dtype=np.uint8)
    with RunStore.open(tmp_path, CONFIG) as store:
        store.commit({"data": xr.Dataset({"outcomes": (("sample", "site"), spins)})})
    run = tmp_path / RUN_FILE
    with h5py.File(run) as file:
        chunk = file["data/outcomes"].id.get_chunk_info(0)
    corrupt(run, chunk.byte_offset + chunk.size // 2)
    with pytest.raises(StoreError, match="cannot be read"):
        open_run(tmp_path)


def test_newer_schema_is_refused(tmp_path):
    RunStore.open(tmp_path, CONFIG).close()
    with h5py.File(tmp_path / RUN_FILE, "r+") as file:
        file.attrs["schema_version"] = 99
    before = (tmp_path / RUN_FILE).read_bytes()
    for attempt in (lambda: open_run(tmp_path), lambda: RunStore.open(tmp_path, CONFIG)):
        with pytest.raises(StoreError, match=r"schema version 99.*upgrade physgen"):
            attempt()
    assert (tmp_path / RUN_FILE).read_bytes() == before
    RunStore.open(tmp_path, CONFIG, force=True).close()
    assert open_run(tmp_path).attrs["schema_version"] == 1


def test_missing_paths(tmp_path):
    for path in (tmp_path / "nothing", tmp_path / RUN_FILE):
        with pytest.raises(StoreError, match="does not exist"):
            open_run(path)
    with pytest.raises(StoreError, match="no physgen run"):
        open_run(tmp_path)


def test_run_file_path_of_a_run_in_progress_includes_the_segments(tmp_path):
    path = in_progress(tmp_path / "run")
    assert open_run(path / RUN_FILE)["chain"].sizes["draw"] == 300
    assert open_run(path, groups=["/chain"]).identical(open_run(path))
    assert not open_run(path, groups=[]).children


def test_unwritable_place(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="could not be written"):
        RunStore.open(tmp_path / "file" / "run", CONFIG)


def test_an_error_in_the_block_is_not_hidden_by_a_failing_merge(tmp_path, monkeypatch):
    def full(self, attrs):
        raise StoreError("the disk is full")

    def interrupted():
        with RunStore.open(tmp_path, CONFIG) as store:
            monkeypatch.setattr(RunStore, "_compact", full)
            store.commit({"chain": chain(0, 5)})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert not (tmp_path / ".lock").exists()
    assert open_run(tmp_path)["chain"].to_dataset().identical(chain(0, 5))
