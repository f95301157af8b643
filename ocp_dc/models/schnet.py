"""SchNet (Schütt et al., arXiv 1706.08566), with arguments and parameters named as in torch_geometric's SchNet."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.numbers import finite_number
from ocp_dc.models.graph import EdgeGraph, check_sizes
from ocp_dc.models.pairs import PairGraph, convolve, pair_edges, unpaired
from ocp_dc.models.potential import Potential
from ocp_dc.models.radial import cosine_envelope, gaussians
from ocp_dc.models.radial import first_order as first_order_form
from ocp_dc.models.scatter import scatter_mean, scatter_sum
from ocp_dc.nn.activate import activate
from ocp_dc.nn.derivatives import derivative, value_and_derivative
from ocp_dc.nn.shifted_softplus import ShiftedSoftplus
from ocp_dc.surgery import RegionTable

READOUTS = {"add": scatter_sum, "mean": scatter_mean, "sum": scatter_sum}
# without periodic boundaries; the default of torch_geometric's SchNet, which fairchem 1.10 does not change
MOST_NEIGHBORS = 32
ELEMENTS = 100  # rows of the embedding; row 0 is padding


SCHNET_REGIONS = RegionTable(
    # lin1 - act - lin2 turns the features of an atom into its energy
    output=(r"^act$",),
    # the published runs swap the activations of the filter networks, of the interactions and of the output
    paper=("",),
    activation_types=("ShiftedSoftplus",),
    source="arXiv 2310.01649, section 4; torch_geometric/nn/models/schnet.py",
)


class SchNetPotential(Potential[PairGraph]):
    """The energy of SchNet as a function of its parts, which a subclass builds: ours, or a host's SchNet.

    Attributes:
        cutoff: the longest edge, in Å.
        reduce: the sum over the atoms of a structure, one of READOUTS.
        embedding: atomic number -> features of an atom.
        distance_expansion: Gaussians, with ``offset`` and ``coeff``.
        interactions: blocks with ``mlp``, ``conv.lin1``, ``conv.lin2``, ``act`` and ``lin``.
        lin1, act, lin2: the network that turns the features of an atom into its energy.
    """

    cutoff: float
    reduce: str
    embedding: Any
    distance_expansion: Any
    interactions: Any
    lin1: Any
    act: Any
    lin2: Any

    def build_graph(self, edges: EdgeGraph) -> PairGraph:
        """Return the pairs of edges; with dropout or a norm in the filter networks, each edge has its own filter."""
        return pair_edges(edges) if self._filter_slopes_known() else unpaired(edges)

    @property
    def has_atomic_energies(self) -> bool:
        """Whether the energy is a sum over the atoms, and not their mean."""
        return self.reduce != "mean"

    def energy(self, numbers: Tensor, positions: Tensor, graph: PairGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        distances = graph.first.vectors(positions).norm(dim=-1)  # [P]
        expansion = self.distance_expansion
        at = distances.detach() if first_order else distances
        basis, basis_slope = gaussians(at, expansion.offset, expansion.coeff)  # [P, num_gaussians]
        envelope, envelope_slope = (column[:, None] for column in cosine_envelope(at, self.cutoff))  # [P, 1]
        forward_mode = first_order and self._filter_slopes_known()
        if first_order and not forward_mode:
            basis = first_order_form(basis, basis_slope, distances)
            envelope = first_order_form(envelope, envelope_slope, distances)
        x = self.embedding(numbers)  # [N, hidden_channels]
        for block in self.interactions:
            if forward_mode:
                values, slopes = _filters(block.mlp, basis, basis_slope)  # [P, num_filters]
                slopes = slopes * envelope + values * envelope_slope
                filters = first_order_form(values * envelope, slopes, distances)
            else:
                filters = block.mlp(basis) * envelope  # [P, num_filters]
            sums = convolve(block.conv.lin1(x), filters, graph)  # [N, num_filters]
            x = x + block.lin(activate(block.act, block.conv.lin2(sums)))
        atoms = self.lin2(activate(self.act, self.lin1(x)))  # [N, 1]
        return READOUTS[self.reduce](atoms, graph.first.batch, graph.first.count)

    def _filter_slopes_known(self) -> bool:
        return all(derivative(block.mlp[1]) is not None for block in self.interactions)


def _filters(mlp: Any, basis: Tensor, basis_slope: Tensor) -> tuple[Tensor, Tensor]:
    """Return the filters of distances and their derivatives, [P, num_filters] each."""
    activation = value_and_derivative(mlp[1])
    assert activation is not None
    values, slopes = activation(mlp[0](basis))
    slopes = slopes * nn.functional.linear(basis_slope, mlp[0].weight)
    return mlp[2](values), nn.functional.linear(slopes, mlp[2].weight)


class SchNet(SchNetPotential):
    """SchNet with its parts, parameter names and initial weights as in torch_geometric and fairchem 1.10.

    Args:
        regress_forces: whether forces are predicted as well.
        hidden_channels: features of an atom.
        num_filters: features of a convolution.
        num_interactions: the number of convolutions.
        num_gaussians: the number of Gaussians that a distance is expanded in, at least 2.
        cutoff: the longest edge, in Å.
        readout: the sum over the atoms of a structure: ``sum``, ``add`` (the same) or ``mean``.

    Raises:
        UserError: a size is too small, the cutoff is not positive, or the readout is unknown.
    """

    def __init__(
        self,
        regress_forces: bool = True,
        hidden_channels: int = 128,
        num_filters: int = 128,
        num_interactions: int = 6,
        num_gaussians: int = 50,
        cutoff: float = 10.0,
        readout: str = "sum",
    ) -> None:
        check_sizes(1, num_filters=num_filters, num_interactions=num_interactions)
        check_sizes(2, hidden_channels=hidden_channels, num_gaussians=num_gaussians)
        if readout not in READOUTS:
            raise unknown_name("model.readout", readout, list(READOUTS))
        super().__init__()
        self.regress_forces = regress_forces
        self.cutoff = finite_number("model.cutoff", cutoff, positive=True)
        self.reduce = readout
        self.embedding = nn.Embedding(ELEMENTS, hidden_channels, padding_idx=0)
        self.distance_expansion = _Gaussians(self.cutoff, num_gaussians)
        self.interactions = nn.ModuleList(
            _Interaction(hidden_channels, num_gaussians, num_filters) for _ in range(num_interactions)
        )
        self.lin1 = nn.Linear(hidden_channels, hidden_channels // 2)
        self.act = ShiftedSoftplus()
        self.lin2 = nn.Linear(hidden_channels // 2, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights, in the order of torch_geometric."""
        self.embedding.reset_parameters()
        for block in self.interactions:
            block.reset_parameters()
        _draw(self.lin1, self.lin2)

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements that the embedding has no row for.

        Raises:
            UserError: there are such elements.
        """
        if len(numbers) and int(numbers.max()) >= ELEMENTS:
            raise UserError(
                f"SchNet has features for the elements 1 to {ELEMENTS - 1}, and the structures have element "
                f"{int(numbers.max())}; leave them out"
            )


class _Gaussians(nn.Module):
    offset: Tensor

    def __init__(self, cutoff: float, count: int) -> None:
        super().__init__()
        offset = torch.linspace(0.0, cutoff, count)
        self.coeff = -0.5 / (offset[1] - offset[0]).item() ** 2
        self.register_buffer("offset", offset)


class _Convolution(nn.Module):
    def __init__(self, hidden_channels: int, num_filters: int, mlp: nn.Sequential) -> None:
        super().__init__()
        self.lin1 = nn.Linear(hidden_channels, num_filters, bias=False)
        self.lin2 = nn.Linear(num_filters, hidden_channels)
        self.nn = mlp  # a second name of its parameters in state dicts
        self.reset_parameters()

    def reset_parameters(self) -> None:
        _draw(self.lin1, self.lin2)


class _Interaction(nn.Module):
    def __init__(self, hidden_channels: int, num_gaussians: int, num_filters: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(num_gaussians, num_filters), ShiftedSoftplus(), nn.Linear(num_filters, num_filters)
        )
        self.conv = _Convolution(hidden_channels, num_filters, self.mlp)
        self.act = ShiftedSoftplus()
        self.lin = nn.Linear(hidden_channels, hidden_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        _draw(self.mlp[0], self.mlp[2])
        self.conv.reset_parameters()
        _draw(self.lin)


def _draw(*layers: nn.Module) -> None:
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)  # type: ignore[arg-type]
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
