"""PaiNN (Schütt et al., arXiv 2102.03150), with arguments and parameters named as in fairchem 1.10.

Each pair of atoms is kept once: both directions share the functions of the distance, and their unit vectors differ in
the sign. What the energy does not depend on is left out: the vector features before the first message, which are zero,
and those after the last one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import finite_number
from ocp_dc.models.gemnet_basis import BERNSTEIN, RadialBasis, radial
from ocp_dc.models.gemnet_graph import symmetric_pairs
from ocp_dc.models.gemnet_layers import AtomEmbedding, ScaledSiLU, ScaleFactor
from ocp_dc.models.graph import EdgeGraph, check_sizes
from ocp_dc.models.painn_messages import pair_sums
from ocp_dc.models.potential import Potential
from ocp_dc.models.radial import first_order as first_order_form
from ocp_dc.models.scale_observer import observe
from ocp_dc.models.scatter import scatter_sum
from ocp_dc.surgery import RegionTable

SHORTEST = 1e-6  # of a distance, in Å, so that coincident atoms have a direction
INV_SQRT_2 = 1 / math.sqrt(2)


PAINN_REGIONS = RegionTable(
    output=(r"^out_energy\.",),
    gates=(BERNSTEIN,),
    activation_types=("ScaledSiLU",),
    source="not in arXiv 2310.01649; fairchem/core/models/painn/painn.py",
)


class PaiNNPotential(Potential[EdgeGraph]):
    """The energy of PaiNN as a function of its parts, which a subclass builds: ours, or a host's PaiNN.

    Attributes:
        atom_emb: the first features of the atoms.
        radial_basis: the basis of distances.
        message_layers: layers with ``x_layernorm``, ``x_proj`` and ``rbf_proj``.
        update_layers: layers with ``vec_proj`` and ``xvec_proj``.
        upd_out_scalar_scale_0, ...: the scale factor after each layer.
        out_energy: the network that turns the features of an atom into its energy.
    """

    atom_emb: Any
    radial_basis: Any
    message_layers: Any
    update_layers: Any
    out_energy: Any

    def build_graph(self, edges: EdgeGraph) -> EdgeGraph:
        """Return one edge of each pair of atoms."""
        return symmetric_pairs(edges)

    @property
    def has_atomic_energies(self) -> bool:
        """Whether the energy is a sum over the atoms; it always is."""
        return True

    def energy(self, numbers: Tensor, positions: Tensor, graph: EdgeGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        vectors = graph.vectors(positions)  # [P, 3]
        lengths = vectors.square().sum(-1).clamp(min=SHORTEST**2).sqrt()  # [P]
        directions = vectors / lengths[:, None]
        basis, slopes = radial(self.radial_basis, lengths.detach() if first_order else lengths)  # [P, num_rbf]
        x = self.atom_emb.embeddings(numbers - 1)  # [N, F]
        vec: Tensor | None = None  # [3, N, F]
        for index, (message, update) in enumerate(zip(self.message_layers, self.update_layers, strict=True)):
            parts = (0, 2) if vec is None else (0, 1, 2)
            filters = [_filters(message, part, basis, slopes, lengths, first_order) for part in parts]
            x, vec = _message(message, x, vec, filters, directions, graph)
            x, vec = _update(update, x, vec, last=index + 1 == len(self.update_layers))
            scale = getattr(self, f"upd_out_scalar_scale_{index}")
            factor = scale.scale_factor
            x = x * torch.where(factor == 0, 1, factor)  # 0: not fitted
            observe(scale, x)
        return scatter_sum(self.out_energy(x), graph.batch, graph.count)


def _filters(layer: Any, part: int, basis: Tensor, slopes: Tensor, lengths: Tensor, first_order: bool) -> Tensor:
    """Return a third of the filters of a message layer, [P, F]; from the basis and its slopes, [P, num_rbf]."""
    weight, bias = layer.rbf_proj.weight.chunk(3)[part], layer.rbf_proj.bias.chunk(3)[part]
    filters = functional.linear(basis, weight, bias)
    if first_order:
        filters = first_order_form(filters, functional.linear(slopes, weight), lengths)
    return filters


def _message(
    layer: Any, x: Tensor, vec: Tensor | None, filters: list[Tensor], directions: Tensor, pairs: EdgeGraph
) -> tuple[Tensor, Tensor]:
    """Return the scalar and vector features after the messages of all neighbors.

    Args:
        layer: the message layer.
        x: [N, F].
        vec: [3, N, F]; None for zeros.
        filters: [P, F] for scalars, for vectors unless ``vec`` is None, and for directions.
        directions: unit vectors, [P, 3].
        pairs: the pairs.
    """
    width = x.shape[1]
    hidden, last = layer.x_proj[:-1](layer.x_layernorm(x)), layer.x_proj[-1]
    of_scalars, of_vectors, of_directions = zip(last.weight.chunk(3), last.bias.chunk(3), strict=True)
    features = functional.linear(hidden, *of_scalars)  # [N, F]
    x = (x + pair_sums(features[None], filters[:1], pairs)[0]) * INV_SQRT_2
    units = (directions * (1 / math.sqrt(width))).split(1, dim=1)  # [P, 1] each
    outward = [filters[-1] * component for component in units]  # [P, F] each
    sums = pair_sums(functional.linear(hidden, *of_directions)[None], outward, pairs, odd=True)
    if vec is None:
        return x, sums
    neighbors = vec * (functional.linear(hidden, *of_vectors) * (1 / math.sqrt(3 * width)))  # [3, N, F]
    return x, vec + sums + pair_sums(neighbors, filters[1:2], pairs)


def _update(layer: Any, x: Tensor, vec: Tensor, *, last: bool) -> tuple[Tensor, Tensor]:
    """Return the scalar and vector features of each atom after they are mixed; ``vec`` as it was in the last layer."""
    width = x.shape[1]
    first, second = layer.vec_proj(vec).split(width, dim=-1)  # [3, N, F] each
    product = (first * second).sum(0) * (1 / math.sqrt(width))
    norm = torch.sqrt(second.square().sum(0) + 1e-8)  # differentiable at zero
    hidden, linear = layer.xvec_proj[:-1](torch.cat([x, norm], dim=1)), layer.xvec_proj[-1]
    if last:
        add, factor = functional.linear(hidden, linear.weight[: 2 * width], linear.bias[: 2 * width]).chunk(2, dim=1)
    else:
        add, factor, gate = linear(hidden).chunk(3, dim=1)  # [N, F] each
        vec = vec + gate * first
    return x + (add + factor * product) * INV_SQRT_2, vec


class PaiNN(PaiNNPotential):
    """PaiNN with parts from torch only; its forces are -dE/dx.

    Args:
        hidden_channels: features of an atom, F; of vectors too.
        num_layers: the number of layers.
        num_rbf: the number of functions of a distance, at least 2.
        cutoff: the longest edge, in Å.
        rbf: basis of distances: ``name`` (gaussian, spherical_bessel, bernstein) and its arguments.
        envelope: envelope of distances: ``name`` (polynomial, exponential) and its arguments.
        regress_forces: whether forces are predicted as well.
        direct_forces: must be false; fairchem's forces from an output of their own are not supported.
        num_elements: the largest atomic number.

    Raises:
        UserError: a size is too small, the cutoff is not positive, a name is unknown, or ``direct_forces`` is true.
    """

    def __init__(
        self,
        hidden_channels: int = 512,
        num_layers: int = 6,
        num_rbf: int = 128,
        cutoff: float = 12.0,
        rbf: Mapping[str, Any] | None = None,
        envelope: Mapping[str, Any] | None = None,
        regress_forces: bool = True,
        direct_forces: bool = False,
        num_elements: int = 83,
    ) -> None:
        if direct_forces:
            raise UserError(
                "model.direct_forces: got True, expected False: the forces of the native PaiNN are the gradient of its "
                "energy; set direct_forces: false"
            )
        check_sizes(1, num_layers=num_layers, num_elements=num_elements)
        check_sizes(2, hidden_channels=hidden_channels, num_rbf=num_rbf)
        super().__init__()
        self.regress_forces = regress_forces
        self.cutoff = finite_number("model.cutoff", cutoff, positive=True)
        self.atom_emb = AtomEmbedding(hidden_channels, num_elements)
        self.radial_basis = RadialBasis(
            num_rbf, self.cutoff, rbf or {"name": "gaussian"}, envelope or {"name": "polynomial", "exponent": 5}
        )
        self.message_layers = nn.ModuleList()
        self.update_layers = nn.ModuleList()
        for index in range(num_layers):
            self.message_layers.append(_Message(hidden_channels, num_rbf))
            self.update_layers.append(_Update(hidden_channels))
            setattr(self, f"upd_out_scalar_scale_{index}", ScaleFactor())
        self.out_energy = _network(hidden_channels, hidden_channels // 2, 1)
        _draw(self.out_energy[0], self.out_energy[2])

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements beyond the largest atomic number; raises UserError."""
        self.atom_emb.check(numbers)


class _Message(nn.Module):
    def __init__(self, channels: int, num_rbf: int) -> None:
        super().__init__()
        self.x_proj = _network(channels, channels, 3 * channels)
        self.rbf_proj = nn.Linear(num_rbf, 3 * channels)
        self.x_layernorm = nn.LayerNorm(channels)
        _draw(self.x_proj[0], self.x_proj[2], self.rbf_proj)


class _Update(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.vec_proj = nn.Linear(channels, 2 * channels, bias=False)
        self.xvec_proj = _network(2 * channels, channels, 3 * channels)
        _draw(self.vec_proj, self.xvec_proj[0], self.xvec_proj[2])


def _network(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), ScaledSiLU(), nn.Linear(hidden, outputs))


def _draw(*layers: Any) -> None:
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
