"""Models, one folder per family; `families()` lists their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.models.autoregressive.coloured import ColouredNet
    from physgen.models.autoregressive.convolution import ConvolutionNet
    from physgen.models.autoregressive.masked import MaskedNet
    from physgen.models.autoregressive.pixel import PixelNet
    from physgen.models.autoregressive.recurrent import RecurrentNet
    from physgen.models.autoregressive.recurrent2d import Recurrent2dNet
    from physgen.models.autoregressive.spin_strings import SpinStrings
    from physgen.models.autoregressive.transformer import TransformerNet
    from physgen.models.choice import default_family, for_target
    from physgen.models.decimated import Decimated
    from physgen.models.ensemble import Ensemble
    from physgen.models.flip_mixture import FlipMixture
    from physgen.models.flows.checkerboard import CouplingFlow
    from physgen.models.flows.conditioned import ConditionedFlow
    from physgen.models.flows.continuous import EquivariantCNF
    from physgen.models.flows.glow import GlowFlow
    from physgen.models.flows.layer import FlowLayer
    from physgen.models.flows.zuko_adaptor import ZukoFlow
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
    "ConditionedFlow",
    "ConvolutionNet",
    "CouplingFlow",
    "Decimated",
    "Ensemble",
    "EquivariantCNF",
    "FlipMixture",
    "FlowLayer",
    "GlowFlow",
    "MaskedNet",
    "MatrixProduct",
    "PixelNet",
    "Recurrent2dNet",
    "RecurrentNet",
    "SpinStrings",
    "Symmetrised",
    "Symmetry",
    "TransformerNet",
    "ZukoFlow",
    "build",
    "default_family",
    "families",
    "for_target",
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
        "ConditionedFlow": "flows.conditioned",
        "ConvolutionNet": "autoregressive.convolution",
        "CouplingFlow": "flows.checkerboard",
        "Decimated": "decimated",
        "EquivariantCNF": "flows.continuous",
        "Ensemble": "ensemble",
        "FlipMixture": "flip_mixture",
        "FlowLayer": "flows.layer",
        "GlowFlow": "flows.glow",
        "MaskedNet": "autoregressive.masked",
        "MatrixProduct": "matrix_product.model",
        "PixelNet": "autoregressive.pixel",
        "Recurrent2dNet": "autoregressive.recurrent2d",
        "RecurrentNet": "autoregressive.recurrent",
        "SpinStrings": "autoregressive.spin_strings",
        "Symmetrised": "symmetrised",
        "Symmetry": "symmetries",
        "TransformerNet": "autoregressive.transformer",
        "ZukoFlow": "flows.zuko_adaptor",
        "build": "registry",
        "default_family": "choice",
        "families": "registry",
        "for_target": "choice",
        "from_dataset": "io",
        "mean_spin": "matrix_product.model",
        "to_dataset": "io",
    },
)
