"""The network of the physics-informed tasks: DeepXDE's fully connected network, with activations as modules."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from ocp_dc import surgery
from ocp_dc.nn import activation
from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.options import NetworkOptions
from ocp_dc.surgery import DCOptions, RegionTable, Report


class FullyConnected(dde.nn.NN):
    """Linear layers with activations between them; outputs and parameter names are those of ``dde.nn.FNN``.

    Args:
        inputs: the number of coordinates.
        outputs: the number of fields.
        options: layers, activation, initializer and batch normalization.
        final: the activation of the output, None for none; surgery does not change it.

    Raises:
        UserError: the activation does not exist.
    """

    def __init__(self, inputs: int, outputs: int, options: NetworkOptions, final: str | None = None) -> None:
        super().__init__()
        widths = [inputs, *[options.width] * options.hidden_layers, outputs]
        linears = [nn.Linear(*sizes) for sizes in pairwise(widths)]
        self.inputs = inputs
        self.linears = nn.ModuleList(linears)
        initialize = dde.nn.initializers.get(options.initializer)
        for linear in linears:
            initialize(linear.weight)
            nn.init.zeros_(linear.bias)
        self.activations = nn.ModuleList(activation(options.activation) for _ in range(options.hidden_layers))
        normed = options.hidden_layers if options.batchnorm != "none" else 0
        self.norms = nn.ModuleList(nn.BatchNorm1d(options.width) for _ in range(normed))
        self.norm_first = options.batchnorm == "before"
        self.final = None if final is None else activation(final)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scaled fields `[N, outputs]` at coordinates `[N, inputs]`."""
        for i, function in enumerate(self.activations):
            x = self.linears[i](x)  # `[N, width]`
            parts = [function, *self.norms[i : i + 1]]
            for part in reversed(parts) if self.norm_first else parts:
                x = part(x)
        x = self.linears[-1](x)
        return x if self.final is None else self.final(x)


def region_table(hidden_layers: int) -> RegionTable:
    """Return the named regions: ``output`` is the last hidden activation, ``paper`` and ``full`` are all of them."""
    return RegionTable(
        output=(rf"^activations\.{hidden_layers - 1}$",),
        paper=(r"^activations\.",),
        gates=("^final$",),  # it keeps concentrations from becoming negative
        source="arXiv 2310.01649, section 5: all hidden layers of the physics-informed networks",
    )


def apply_surgery(net: FullyConnected, options: DCOptions) -> Report:
    """Change the network in place as the ``dc:`` block asks, and return what was done.

    Raises:
        UserError: as :func:`ocp_dc.surgery.apply_surgery`.
    """
    table = region_table(len(net.activations))
    return surgery.apply_surgery(net, options, table, forward=lambda n: n(torch.zeros(2, net.inputs)), path="dc")
