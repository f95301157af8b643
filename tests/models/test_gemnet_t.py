"""GemNet-dT without a host."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.models.gemnet_t import GemNetT
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE

ARGUMENTS: dict[str, Any] = {
    **{"num_spherical": 3, "num_radial": 5, "num_blocks": 1, "emb_size_atom": 6, "emb_size_edge": 8},
    **{"emb_size_trip": 4, "emb_size_rbf": 4, "emb_size_cbf": 3, "emb_size_bil_trip": 5, "num_before_skip": 1},
    **{"num_after_skip": 1, "num_concat": 1, "num_atom": 1, "cutoff": 5.0},
}


def make(**changes: Any) -> GemNetT:
    torch.manual_seed(0)
    return GemNetT(**{**ARGUMENTS, **changes}).double()


def structures(*sizes: int) -> tuple[Tensor, Tensor, EdgeGraph]:
    """Molecules with edges between all atoms of each."""
    torch.manual_seed(1)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    numbers, positions = torch.randint(1, 9, batch.shape), 1.2 * torch.randn(len(batch), 3, dtype=torch.float64)
    source, target = torch.where((batch[:, None] == batch) & ~torch.eye(len(batch), dtype=torch.bool))
    offsets, images = torch.zeros(len(source), 3, dtype=torch.float64), torch.zeros(len(source), 3, dtype=torch.int64)
    return numbers, positions, EdgeGraph(source, target, offsets, images, batch, torch.tensor(sizes))


def test_forces_are_central_differences_of_the_energy() -> None:
    model = make()
    numbers, positions, edges = structures(4, 1, 3)
    graph = model.build_graph(edges)
    energy, forces = model.energy_and_forces(numbers, positions, graph)
    assert energy.shape == (3, 1)
    assert not forces[4].any()  # an atom alone
    relative, absolute = FINITE_DIFFERENCE
    for atom, axis in ((0, 0), (3, 1), (6, 2)):
        step = torch.zeros_like(positions)
        step[atom, axis] = 1e-5
        ends = [model.energy(numbers, positions + sign * step, graph).sum() for sign in (1, -1)]
        expected = -(ends[0] - ends[1]).item() / 2e-5
        assert forces[atom, axis].item() == pytest.approx(expected, rel=relative, abs=absolute)


def test_an_intensive_energy_is_the_mean() -> None:
    numbers, positions, edges = structures(4, 1, 3)
    totals, means = (
        model.energy(numbers, positions, model.build_graph(edges)) for model in (make(), make(extensive=False))
    )
    torch.testing.assert_close(means, totals / edges.natoms[:, None])


def test_a_scale_factor_of_1_is_an_unfitted_one() -> None:
    numbers, positions, edges = structures(4)
    model = make()
    graph = model.build_graph(edges)
    unfitted = model.energy(numbers, positions, graph)
    factors = [value for name, value in model.named_parameters() if name.endswith("scale_factor")]
    assert len(factors) == 3 + 2  # of the interaction, and of the two outputs
    for factor in factors:
        factor.data.fill_(1.0)
    assert torch.equal(model.energy(numbers, positions, graph), unfitted)
    for factor in factors:  # each is used
        factor.data.fill_(1.5)
        assert not torch.equal(model.energy(numbers, positions, graph), unfitted)
        factor.data.fill_(1.0)


def test_refused_arguments() -> None:
    for changes, message in (
        ({"num_blocks": 0}, r"num_blocks"),
        ({"activation": "silo"}, r"activation: got 'silo', .* Did you mean 'silu'\?"),
        ({"output_init": "ones"}, r"output_init: got 'ones', expected HeOrthogonal or zeros"),
    ):
        with pytest.raises(UserError, match=message):
            make(**changes)


def test_an_unknown_element() -> None:
    model = make(num_elements=8)
    model.check_elements(torch.tensor([1, 8]))
    with pytest.raises(UserError, match=r"no features for Fe; raise model.num_elements, which is 8"):
        model.check_elements(torch.tensor([1, 26]))
