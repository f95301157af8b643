"""EScAIP and AllScAIP (arXiv 2410.24169) with what fairchem's training and inference need of a backbone and a head.

With fairchem's own classes, gradient heads fail in training: they wrap their results before they take the padding off,
or return them in a form that the tasks do not find. EScAIP's backbone lacks the attribute that inference reads, and its
gradient head has a norm that it never calls, at which DDP stops. Parameters and checkpoints are those of fairchem.
"""

from __future__ import annotations

from typing import Any

import torch
from fairchem.core.models.allscaip.AllScAIP import AllScAIPBackbone as StockAllScAIPBackbone
from fairchem.core.models.allscaip.AllScAIP import AllScAIPGradientEnergyForceStressHead
from fairchem.core.models.escaip.EScAIP import EScAIPBackbone as StockEScAIPBackbone
from fairchem.core.models.escaip.EScAIP import EScAIPGradientEnergyForceStressHead
from fairchem.core.models.uma.escn_md import GradRegressConfig
from torch import Tensor, nn

from ocp_dc.core.errors import UserError


class _Float32Backbone(nn.Module):
    """Mixed into both backbones: checks of arguments and precision."""

    gnn_cfg: Any
    global_cfg: Any

    def check_frequencies(self, used: bool) -> None:
        """Refuse a ``freequency_list`` that does not fit the attention; fairchem finds it at the first batch.

        Raises:
            UserError: the entries do not add up to ``hidden_size / atten_num_heads``.
        """
        width = self.global_cfg.hidden_size // self.gnn_cfg.atten_num_heads
        given = list(self.gnn_cfg.freequency_list)
        if used and sum(given) != width:
            raise UserError(
                f"model.backbone.freequency_list: got {given}, which adds up to {sum(given)}, expected hidden_size / "
                f"atten_num_heads = {self.global_cfg.hidden_size} / {self.gnn_cfg.atten_num_heads} = {width}; its "
                f"entry l is how often the spherical harmonics of degree l are repeated, such as {_example(width)}"
            )

    @classmethod
    def build_inference_settings(cls, settings: Any) -> dict[str, Any]:
        """Return the backbone's arguments for inference.

        Raises:
            UserError: the settings ask for float64.
        """
        if settings.base_precision_dtype != torch.float32:
            raise _wrong_precision(cls, settings.base_precision_dtype)
        overrides: dict[str, Any] = super().build_inference_settings(settings)  # type: ignore[misc]
        return overrides

    def forward(self, data: Any) -> dict[str, Any]:
        """Return the features of a batch; raises UserError if its positions are not float32."""
        if data["pos"].dtype != torch.float32:
            raise _wrong_precision(type(self), data["pos"].dtype)
        features: dict[str, Any] = super().forward(data)
        return features


class EScAIPBackbone(_Float32Backbone, StockEScAIPBackbone):
    """EScAIP's backbone; its arguments are those of fairchem's ``EScAIPBackbone``.

    Raises:
        UserError: ``freequency_list`` does not fit ``hidden_size`` and ``atten_num_heads``.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.check_frequencies(self.gnn_cfg.use_frequency_embedding)
        self.regress_config = GradRegressConfig(
            direct_forces=self.direct_forces, forces=self.regress_forces, stress=self.regress_stress
        )


class AllScAIPBackbone(_Float32Backbone, StockAllScAIPBackbone):
    """AllScAIP's backbone; its arguments are those of fairchem's ``AllScAIPBackbone``.

    Raises:
        UserError: ``freequency_list`` does not fit ``hidden_size`` and ``atten_num_heads``.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.check_frequencies(True)


class UncalledNorm(nn.Module):
    """The weights of a norm that a head has and never calls: they stay in the checkpoints, and are not trained.

    DDP would wait for their gradients, and surgery would count them as a norm.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        for name, weight in norm.named_parameters():
            self.register_parameter(name, nn.Parameter(weight.detach(), requires_grad=False))


class _GradientHead(nn.Module):
    """Mixed into both heads: each result as the tasks read it, ``{name: {property: values}}``."""

    prefix: str | None

    def forward(self, data: Any, emb: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Return energies, forces and, if the backbone asks for it, stress."""
        outputs: dict[str, Tensor] = super().forward(data, emb)
        start = f"{self.prefix}_" if self.prefix else ""
        return {name: {name.removeprefix(start): values} for name, values in outputs.items()}


class EScAIPGradientHead(_GradientHead, EScAIPGradientEnergyForceStressHead):
    """EScAIP's energies, with forces and stress as their gradient.

    Args:
        backbone: the backbone.
        prefix: put in front of the names of the results, with an underscore.
    """

    node_norm: nn.Module

    def __init__(self, backbone: nn.Module, prefix: str | None = None) -> None:
        super().__init__(backbone, prefix, wrap_property=False)
        self.node_norm = UncalledNorm(self.node_norm)


class AllScAIPGradientHead(_GradientHead, AllScAIPGradientEnergyForceStressHead):
    """AllScAIP's energies, with forces and stress as their gradient.

    Args:
        backbone: the backbone.
        prefix: put in front of the names of the results, with an underscore.
    """

    def __init__(self, backbone: nn.Module, prefix: str | None = None) -> None:
        super().__init__(backbone, prefix, wrap_property=False)


def _example(width: int) -> list[int]:
    """Return a list of repetitions that adds up to ``width``."""
    third = width // 3
    return [width] if third == 0 else [width - 2 * third, third, third]


def _wrong_precision(backbone: type, found: torch.dtype) -> UserError:
    return UserError(
        f"{backbone.__name__} computes in torch.float32 only, since fairchem casts its features; got {found}. Leave "
        "base_precision_dtype out, or set it to float32"
    )
