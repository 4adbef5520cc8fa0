"""Models, one folder per family; `families()` lists their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.models.autoregressive.coloured import ColouredNet
    from physgen.models.autoregressive.convolution import ConvolutionNet
    from physgen.models.autoregressive.recurrent import RecurrentNet
    from physgen.models.autoregressive.transformer import TransformerNet
    from physgen.models.decimated import Decimated
    from physgen.models.ensemble import Ensemble
    from physgen.models.flows.continuous import EquivariantCNF
    from physgen.models.io import from_dataset, to_dataset
    from physgen.models.matrix_product.model import MatrixProduct, mean_spin
    from physgen.models.registry import GRU, LSTM, RNN, build, families
    from physgen.models.symmetries import Symmetry
    from physgen.models.symmetrised import Symmetrised

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "ColouredNet",
    "ConvolutionNet",
    "Decimated",
    "Ensemble",
    "EquivariantCNF",
    "MatrixProduct",
    "RecurrentNet",
    "Symmetrised",
    "Symmetry",
    "TransformerNet",
    "build",
    "families",
    "from_dataset",
    "mean_spin",
    "to_dataset",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "GRU": "registry",
        "LSTM": "registry",
        "RNN": "registry",
        "ColouredNet": "autoregressive.coloured",
        "ConvolutionNet": "autoregressive.convolution",
        "Decimated": "decimated",
        "EquivariantCNF": "flows.continuous",
        "Ensemble": "ensemble",
        "MatrixProduct": "matrix_product.model",
        "RecurrentNet": "autoregressive.recurrent",
        "Symmetrised": "symmetrised",
        "Symmetry": "symmetries",
        "TransformerNet": "autoregressive.transformer",
        "build": "registry",
        "families": "registry",
        "from_dataset": "io",
        "mean_spin": "matrix_product.model",
        "to_dataset": "io",
    },
)
