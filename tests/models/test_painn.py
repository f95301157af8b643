"""PaiNN's sums over pairs edge by edge, their derivatives, and the errors of its arguments."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.painn import PaiNN
from ocp_dc.models.painn_messages import pair_sums

ATOMS, FEATURES = 4, 3
# pairs j -> i; one atom with its own image, and two atoms that are neighbors twice
PAIRS = [(0, 1), (0, 2), (1, 2), (1, 2), (3, 3)]
KINDS = [(1, 1, False), (3, 1, False), (1, 3, True), (3, 3, True)]


def pairs() -> EdgeGraph:
    source, target = torch.tensor(PAIRS).T
    nothing = torch.zeros(len(PAIRS), 3)
    return EdgeGraph(source, target, nothing, nothing.long(), torch.zeros(ATOMS).long(), torch.tensor([ATOMS]))


def factors(components: int, filters: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(components, ATOMS, FEATURES), *[(len(PAIRS), FEATURES)] * filters]
    return [torch.randn(*s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


@pytest.mark.parametrize(("components", "filters", "odd"), KINDS)
def test_sums_are_those_of_the_edges_one_by_one(components: int, filters: int, odd: bool) -> None:
    x, *found = factors(components, filters)
    count = max(components, filters)
    expected = torch.zeros(count, ATOMS, FEATURES, dtype=torch.float64)
    for number, (j, i) in enumerate(PAIRS):
        for c in range(count):
            factor = found[c if filters > 1 else 0][number]
            part = x[c if components > 1 else 0]
            expected[c, i] += part[j] * factor
            expected[c, j] += part[i] * factor * (-1 if odd else 1)
    torch.testing.assert_close(pair_sums(x, found, pairs(), odd=odd), expected)


@pytest.mark.parametrize(("components", "filters", "odd"), KINDS)
def test_sums_are_differentiable_three_times(components: int, filters: int, odd: bool) -> None:
    inputs = factors(components, filters)

    def sums(x: Tensor, *found: Tensor) -> Tensor:
        return pair_sums(x, found, pairs(), odd=odd)

    def gradient(x: Tensor, *found: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(sums(x, *found).sin().sum(), (x, *found), create_graph=True)

    assert torch.autograd.gradcheck(sums, inputs)
    assert torch.autograd.gradgradcheck(sums, inputs)
    assert torch.autograd.gradgradcheck(gradient, inputs)


@pytest.mark.parametrize("fixed", ["features", "filters"])
def test_second_derivatives_where_one_factor_is_constant(fixed: str) -> None:
    """The gradient of the other one is not used, as in the first layer, whose features know no positions."""
    x, *found = factors(3, 1)

    def gradient(x: Tensor, *found: Tensor) -> tuple[Tensor, ...]:
        wanted = found if fixed == "features" else (x,)
        return torch.autograd.grad(pair_sums(x, found, pairs()).sin().sum(), wanted, create_graph=True)

    assert torch.autograd.gradcheck(gradient, [x, *found])


def test_direct_forces_are_refused() -> None:
    with pytest.raises(UserError, match="direct_forces: false"):
        PaiNN(direct_forces=True)


def test_elements_without_features_are_refused() -> None:
    model = PaiNN(hidden_channels=4, num_layers=1, num_rbf=4, num_elements=8)
    model.check_elements(torch.tensor([1, 8]))
    with pytest.raises(UserError, match=r"no features for F; raise model\.num_elements, which is 8"):
        model.check_elements(torch.tensor([1, 9]))
