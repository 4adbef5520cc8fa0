"""Processes that fill one cache at once lose an entry at most; Numba alone mixes kernels up."""

import os

import pytest
from helpers.cold import wrong_processes
from numba.core.caching import IndexDataCacheFile

import physgen.kernels.cpu  # noqa: F401  (which keeps the files of processes apart)


class NumbaAlone(IndexDataCacheFile):
    """As Numba names its files."""

    def _data_name(self, number):
        return f"f.{number}.nbc"


def race(kind, folder, monkeypatch):
    """Let two processes save kernels A and B, both having read the empty index before."""
    ours, theirs = kind(str(folder), "f", "stamp"), kind(str(folder), "f", "stamp")
    save_data = ours._save_data

    def late(name, data):
        with monkeypatch.context() as other:
            other.setattr(os, "getpid", lambda: 7)
            other.setattr(theirs, "_load_index", dict)
            theirs.save("B", "code of B")
        save_data(name, data)

    monkeypatch.setattr(ours, "_save_data", late)
    ours.save("A", "code of A")
    reader = kind(str(folder), "f", "stamp")
    return reader.load("A"), reader.load("B")


def test_no_race_hands_out_the_code_of_another_kernel(tmp_path, monkeypatch):
    assert race(IndexDataCacheFile, tmp_path, monkeypatch) == (None, "code of B")  # A: compile


def test_numba_alone_does(tmp_path, monkeypatch):
    assert race(NumbaAlone, tmp_path, monkeypatch) == (None, "code of A")


@pytest.mark.slow
def test_eight_processes_on_a_cold_cache_are_all_right(tmp_path):
    for round_ in range(2):
        assert wrong_processes(tmp_path / str(round_), 8) == []
        (files := list((tmp_path / str(round_)).rglob("*.nbc"))).sort()
        assert len(files) >= 4
        assert wrong_processes(tmp_path / str(round_), 2) == []  # and so they stay
