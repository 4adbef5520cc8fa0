"""Energies whose laws are known exactly: Gaussians, and small systems of spins and outcomes."""

import itertools

import numpy as np
import torch
from torch import nn

from physgen.core.protocols import REALS, SPINS, outcomes


class Gaussian(nn.Module):
    r"""S = x K x / 2 with the weight K (n, n), float64."""

    support = REALS

    def __init__(self, K):
        super().__init__()
        self.K = nn.Parameter(torch.as_tensor(np.array(K), dtype=torch.float64))
        self.event_shape = (len(self.K),)

    def forward(self, x):
        x = x.double()
        return 0.5 * (x * (x @ self.K.T)).sum(1)


class Quartic(nn.Module):
    """S = a sum x^2 + b sum x^4, with both as weights, of any shape."""

    support = REALS

    def __init__(self, shape, a=0.5, b=0.1):
        super().__init__()
        self.event_shape = tuple(shape)
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, x):
        x = x.double().flatten(1)
        return (self.a * x**2 + self.b * x**4).sum(1)


class Ring(nn.Module):
    """S = -J sum s_i s_{i+1} - h sum s_i of a few spins; float64, enumerated."""

    support = SPINS

    def __init__(self, n=4, J=0.4, h=0.2):
        super().__init__()
        self.event_shape = (n,)
        self.J = nn.Parameter(torch.tensor(J, dtype=torch.float64))
        self.h = nn.Parameter(torch.tensor(h, dtype=torch.float64))
        self.states = torch.tensor(list(itertools.product([-1, 1], repeat=n)))

    def terms(self, x):
        x = x.double()
        return torch.stack([(x * x.roll(1, 1)).sum(1), x.sum(1)], 1)

    def forward(self, x):
        return -(self.terms(x) @ torch.stack([self.J, self.h]))

    @property
    def probabilities(self):
        with torch.no_grad():
            return torch.softmax(-self(self.states), 0)

    def nll(self, x):
        """Return the exact mean negative log-likelihood."""
        return self(x).mean() + torch.logsumexp(-self(self.states), 0)

    def draws(self, n, rng):
        pick = rng.numpy().choice(len(self.states), n, p=self.probabilities.numpy())
        return self.states[torch.from_numpy(pick)]


class ExactRing(Ring):
    """A ring whose chains forget everything in one step."""

    def moved(self, x, n, rng):
        return self.draws(len(x), rng).to(x.dtype)


class Potts(nn.Module):
    """S = -J sum [a_i = a_{i+1}] - h sum [a_i = 0] of outcomes 0..2; enumerated."""

    def __init__(self, n=3, J=0.7, h=0.4, K=3):
        super().__init__()
        self.event_shape, self.support = (n,), outcomes(K)
        self.J = nn.Parameter(torch.tensor(J, dtype=torch.float64))
        self.h = nn.Parameter(torch.tensor(h, dtype=torch.float64))
        self.states = torch.tensor(list(itertools.product(range(K), repeat=n)), dtype=torch.uint8)

    def forward(self, x):
        same = (x == x.roll(1, 1)).double().sum(1)
        return -self.J * same - self.h * (x == 0).double().sum(1)

    @property
    def probabilities(self):
        with torch.no_grad():
            return torch.softmax(-self(self.states), 0)


def counts(x, states):
    """Return how often each state occurs."""
    base = int(states.max()) - int(states.min()) + 1
    powers = base ** np.arange(states.shape[1])
    code = ((x.long() - int(states.min())).numpy() * powers).sum(1)
    index = ((states.long() - int(states.min())).numpy() * powers).sum(1)
    return np.bincount(code, minlength=base ** states.shape[1])[index]


def gradients(objective, model, index, rng, carry=None):
    """Return the gradient of a loss in all weights, as one vector."""
    carry = objective.begin(model, rng.child("begin")) if carry is None else carry
    model.zero_grad()
    objective.loss(model, index, rng, carry).value.backward()
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return torch.cat([p.double().flatten() for p in parts]).numpy()
