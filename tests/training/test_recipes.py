import dataclasses

import pytest

from physgen.core.errors import InputError
from physgen.training import FitSettings, recipe


@pytest.mark.parametrize("family", ["rnn", "gru", "lstm"])
def test_recurrent_networks_train_by_the_defaults(family):
    assert recipe(family) == FitSettings()


def test_passes_scale_with_the_shots_and_the_family():
    settings = FitSettings(epochs_scale=0.5)
    assert [settings.epochs(n) for n in (1250, 10_000, 80_000, 10**7)] == [10, 5, 2, 2]
    assert FitSettings().epochs(1250) == 20
    assert dataclasses.replace(settings, n_epochs=7).epochs(1250) == 7


def test_bad_requests():
    with pytest.raises(InputError, match="family must be one of"):
        recipe("wavenet")
    with pytest.raises(InputError, match="epochs_scale must be a positive number, got 0"):
        FitSettings(epochs_scale=0)
