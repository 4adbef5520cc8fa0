"""One step of each cell against torch's own cells in float64, at widths around vector lengths."""

import numpy as np
import pytest
import torch

from physgen.kernels.cpu.recurrent import KERNELS, scatter_add

CELLS = {"rnn": torch.nn.RNNCell, "gru": torch.nn.GRUCell, "lstm": torch.nn.LSTMCell}
B, K = 5, 3


def arrays(name, H):
    """Random inputs of a step, and the torch cell that must agree."""
    kernel, rng = KERNELS[name], np.random.default_rng(H)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    G, S = kernel.gates * H, kernel.state * H
    data = {
        "x": normal(K, G),
        "rows": rng.integers(0, K, B),
        "w": normal(G, H) / np.float32(np.sqrt(H)),
    }
    data |= {"b_n": normal(H), "state": normal(B, S), "d_out": normal(B, S)}
    cell = CELLS[name](K, H, dtype=torch.float64)
    with torch.no_grad():  # row k of x is the projection of the one-hot code of k
        cell.weight_ih.copy_(torch.from_numpy(data["x"].T))
        cell.weight_hh.copy_(torch.from_numpy(data["w"]))
        cell.bias_ih.zero_()
        cell.bias_hh.zero_()
        if name == "gru":
            cell.bias_hh[2 * H :] = torch.from_numpy(data["b_n"])
    return kernel, data, cell


def stepped(cell, data, H):
    """The new state by torch, and the gradients of sum(d_out * new) in x-table and state."""
    one_hot = torch.eye(K, dtype=torch.float64)[data["rows"]]
    state = torch.from_numpy(data["state"]).double().requires_grad_()
    h, *c = state.split(H, dim=1)
    new = cell(one_hot, (h, *c)) if c else cell(one_hot, h)
    new = torch.cat(new, dim=1) if c else new
    (new * torch.from_numpy(data["d_out"])).sum().backward()
    return new.detach().numpy(), cell.weight_ih.grad.numpy().T, state.grad.numpy()


@pytest.mark.parametrize("H", [1, 7, 8, 31, 32, 33, 64, 100])
@pytest.mark.parametrize("name", list(KERNELS))
def test_step_and_its_gradient(name, H):
    kernel, data, cell = arrays(name, H)
    g = data["state"][:, :H] @ data["w"].T
    saved = np.empty((B, kernel.saved * H), dtype=np.float32)
    out = np.empty_like(data["state"])
    kernel.forward(data["x"], data["rows"], g.copy(), data["b_n"], data["state"], saved, out)
    new, d_table, d_state_exact = stepped(cell, data, H)
    np.testing.assert_allclose(out, new, atol=3e-6)

    one_row, again = np.empty((1, kernel.saved * H), dtype=np.float32), np.empty_like(out)
    kernel.forward(data["x"], data["rows"], g.copy(), data["b_n"], data["state"], one_row, again)
    np.testing.assert_array_equal(out, again)  # saving less changes nothing

    dx, dg = (np.empty((B, kernel.gates * H), dtype=np.float32) for _ in range(2))
    d_state = np.empty_like(out)
    kernel.backward(data["d_out"], saved, data["state"], dx, dg, d_state)
    d_state[:, :H] += dg @ data["w"]
    table = np.zeros_like(data["x"])
    scatter_add(dx, data["rows"], table)
    np.testing.assert_allclose(table, d_table, atol=2e-5)
    np.testing.assert_allclose(d_state, d_state_exact, atol=2e-5)
