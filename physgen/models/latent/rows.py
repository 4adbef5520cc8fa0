"""The rows of latent-variable models in `physgen.models.families`; it loads no torch."""

from __future__ import annotations

from physgen.models.family_row import Family

__all__ = ["LATENT_ROWS"]

# Weights and extended-space losses as of the coloured nets; the tanh heads bear large steps.
_LATENT = dict(
    n_epochs=40,
    batch_size=512,
    learning_rate=6e-3,
    clip_norm=5.0,
    beta2=0.99,
    warmup_fraction=0.05,
    ema_decay=0.98,
)


def _autoencoder(
    name: str,
    visible: str,
    about: str,
    *cites: str,
    objective: str = "reverse-kl",
    prior: str = "plain",
) -> Family:
    return Family(
        name,
        "latent.vae:VAE",
        visible,
        about,
        kind="joint",
        objective=objective,
        fixed={"visible": visible},
        defaults={} if prior == "plain" else {"prior": prior},
        recipe=_LATENT,
        cites=("Kingma2014", "Rezende2014", *cites),
    )


LATENT_ROWS = (
    _autoencoder("vae", "reals", "variational autoencoder of fields", "Figurnov2018"),
    Family(
        "autoencoder",
        "latent.autoencoder:Autoencoder",
        "reals",
        "deterministic autoencoder: codes, and draws for comparison",
        kind="simulator",
        objective="reconstruction",
        recipe=_LATENT,
        cites=("Hinton2006",),
    ),
    # Given z spins are independent: z has to carry the order, which no Gaussian prior does.
    _autoencoder(
        "spin-vae", "spins", "variational autoencoder of spins", "DAngelo2020", prior="flow"
    ),
    _autoencoder(
        "categorical-vae", "outcomes", "variational autoencoder of outcomes", objective="elbo"
    ),
)
