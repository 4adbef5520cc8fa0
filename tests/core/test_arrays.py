"""Tables beside arrays: shared on the CPU, kept on a device, and let go with the table."""

import gc

import numpy as np
import torch

from physgen.core import arrays
from physgen.core.arrays import beside


def test_a_table_is_shared_on_the_cpu():
    table = np.arange(6.0)
    assert beside(table, np.zeros(2)) is table
    assert beside(table, torch.zeros(2)).data_ptr() == table.ctypes.data
    table.setflags(write=False)  # torch would warn of memory that it may not write
    assert torch.equal(beside(table, torch.zeros(2)), torch.arange(6.0, dtype=torch.float64))


def test_a_table_is_kept_on_a_device_as_long_as_it_lives():
    table, other = np.arange(3), np.arange(3)
    x = torch.zeros(2, device="meta")
    kept = beside(table, x)
    assert kept.device.type == "meta"
    assert kept.dtype == torch.int64
    assert beside(table, x) is kept
    assert beside(other, x) is not kept
    assert beside(table, torch.zeros(1)).device.type == "cpu"
    key = (id(table), x.device)
    assert key in arrays._KEPT
    del table
    gc.collect()
    assert key not in arrays._KEPT
