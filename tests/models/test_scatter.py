from __future__ import annotations

import pytest
import torch
from torch_geometric.utils import scatter

from ocp_dc.models.scatter import scatter_mean, scatter_sum

INDEX = torch.tensor([0, 0, 3, 1, 3, 3])  # nothing has the index 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("ours", "reduce"), [(scatter_sum, "sum"), (scatter_mean, "mean")])
def test_is_that_of_torch_geometric(ours, reduce, dtype) -> None:
    """Bit for bit, with first and second derivatives; an index without a row gives zero."""
    index = torch.cat([INDEX, torch.randint(5, (200,))])
    results = []
    torch.manual_seed(0)
    values = torch.randn(len(index), 3, dtype=dtype)
    for function in (lambda x: ours(x, index, 6), lambda x: scatter(x, index, dim=0, dim_size=6, reduce=reduce)):
        x = values.clone().requires_grad_()
        out = function(x)
        (first,) = torch.autograd.grad(out.pow(3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        results.append((out, first, second))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
    assert not results[0][0][5].any()


def test_by_hand() -> None:
    rows = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0], [7.0]])
    assert scatter_sum(rows, INDEX, 4).tolist() == [[3.0], [4.0], [0.0], [15.0]]
    assert scatter_mean(rows, INDEX, 4).tolist() == [[1.5], [4.0], [0.0], [5.0]]
