"""A linear-Gaussian VAE, probabilistic PCA, whose likelihood is known in closed form."""

import math

import torch
from torch.distributions import MultivariateNormal

from physgen.models import VAE

N, M = 6, 3


def pca(exact_posterior=False, noise=0.7, posterior="correlated"):
    """x = A z + noise; the encoder is the true posterior, or a poor one."""
    vae = VAE((N,), "open", net="dense", n_latent=M, pairs=0, posterior=posterior, scale=1.3,
              channels=2, rng=1).double()  # fmt: skip
    g = torch.Generator().manual_seed(5)
    A = torch.randn(M, N, generator=g, dtype=torch.float64)
    with torch.no_grad():
        vae.decoder.linear.copy_(A)
        vae.decoder.constant.fill_(math.log(noise))
        precision = torch.eye(M, dtype=torch.float64) + A @ A.T / noise**2
        mean = A.T @ torch.linalg.inv(precision) / noise**2  # x -> z
        if exact_posterior:
            vae.encoder.linear.copy_(mean)
            vae.encoder.constant.zero_()
            vae.mixing.copy_(torch.linalg.cholesky(precision))  # (z - m) R ~ N(0, 1)
        else:
            vae.encoder.linear.copy_(0.8 * mean)
            vae.encoder.constant.fill_(-math.log(0.6))
            if posterior == "correlated":
                vae.encoder.constant[:, 1] = 0
    covariance = 1.3**2 * (A.T @ A + noise**2 * torch.eye(N, dtype=torch.float64))
    return vae, MultivariateNormal(torch.zeros(N, dtype=torch.float64), covariance)
