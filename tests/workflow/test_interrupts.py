"""The first signal asks, the second insists, and afterwards the old handlers are back.

Work that has nothing to save ends at the signal itself, but a commit within it is whole.
"""

import os
import signal
import threading
from types import SimpleNamespace

import pytest
import xarray as xr

from physgen.core.errors import InterruptedRunError
from physgen.results import RunStore, open_run
from physgen.workflow.context import Context
from physgen.workflow.interrupts import Abandoned, catch_signals
from physgen.workflow.job import Stage
from physgen.workflow.reporting import Reporter


def send():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_the_first_signal_sets_a_flag_and_the_second_stops_at_once(number):
    before = signal.getsignal(number)
    with catch_signals() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert stop.signal == number.name
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_outside_the_main_thread_nothing_is_installed():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with catch_signals() as stop:
            seen.append((stop(), signal.getsignal(signal.SIGTERM) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, True)]


def test_work_with_nothing_to_save_ends_at_the_signal():
    done = []

    def work():
        send()
        done.append("more")

    with catch_signals() as stop, pytest.raises(Abandoned):
        stop.abandoning(work)
    assert not done


def test_other_work_goes_on_and_work_that_hides_the_signal_has_no_result():
    with catch_signals() as stop:
        assert stop.abandoning(lambda: "all of it") == "all of it"
        send()
        assert stop()  # and nothing was raised

    def hidden():
        try:
            send()
        except BaseException:  # as an extension module may do
            return "half of it"

    with catch_signals() as stop, pytest.raises(Abandoned):
        stop.abandoning(hidden)


def test_what_must_not_be_cut_in_two_is_finished_before():
    done = []

    def work():
        with stop.holding():
            send()
            done.append("whole")
        done.append("more")

    with catch_signals() as stop, pytest.raises(Abandoned):
        stop.abandoning(work)
    assert done == ["whole"]


def test_a_commit_is_whole_and_the_message_says_how_to_go_on(tmp_path, monkeypatch):
    from physgen.results import store as module

    def written(*arguments):
        send()
        return write(*arguments)

    write = module.write_segment
    with RunStore.open(tmp_path / "run", {"seed": 1}) as store, catch_signals() as stop:
        store.guard = stop.holding
        context = Context(None, store, Reporter(), stop)
        monkeypatch.setattr(module, "write_segment", written)
        with pytest.raises(InterruptedRunError, match="stopped by SIGTERM; continue"):
            context.abandoning(lambda: store.commit({"numbers": xr.Dataset({"x": 3})}))
        assert int(store.read("numbers")["x"]) == 3
    assert int(open_run(tmp_path / "run")["numbers"]["x"]) == 3


@pytest.mark.parametrize("abandonable", [True, False])
def test_a_stage_that_commits_nothing_before_its_end_is_ended_at_once(abandonable):
    def run(context):
        send()
        done.append("more")
        return "what came out"

    done = []
    stage = Stage("validate", ("numbers",), "numbers", run, abandonable=abandonable)
    with catch_signals() as stop:
        context = Context(None, SimpleNamespace(path="DIR"), Reporter(), stop)
        if abandonable:
            with pytest.raises(InterruptedRunError, match="physgen resume DIR"):
                stage.do(context)
        else:
            assert stage.do(context) == "what came out"
    assert done == ([] if abandonable else ["more"])


def test_a_patient_request_ignores_repeats():
    with catch_signals(patient=True) as stop:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)  # else KeyboardInterrupt
    assert (stop.signal, stop.number) == ("SIGUSR1", signal.SIGUSR1)


def test_a_signal_to_another_process_counts_as_ones_own():
    with catch_signals() as stop:
        stop.note(signal.SIGTERM.value)
        assert stop()
        assert stop.signal == "SIGTERM"
