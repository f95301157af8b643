from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ocp_dc.core.errors import UserError
from ocp_dc.nn import IReLU
from ocp_dc.surgery import RegularizedActivation
from ocp_dc.testing.tolerances import assert_close


def test_the_order_is_activation_norm_dropout() -> None:
    norm = nn.BatchNorm1d(3)
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    part = RegularizedActivation(IReLU(), norm, 0.4)
    reference = copy.deepcopy(norm)
    for training in (True, True, False):  # the running statistics move in between
        part.train(training)
        reference.train(training)
        x = torch.randn(50, 3)
        torch.manual_seed(5)
        found = part(x)
        torch.manual_seed(5)
        assert_close(found, F.dropout(reference(x.clamp(min=0) ** 2 / 2), 0.4, training))
        assert bool((found == 0).any()) is training


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_evaluating_it_is_the_activation_where_there_is_no_norm(dropout: float) -> None:
    x = torch.randn(4, 2, 3)  # of any shape
    assert torch.equal(RegularizedActivation(F.silu, None, dropout).eval()(x), F.silu(x))
    torch.manual_seed(0)
    assert torch.equal(RegularizedActivation(F.silu, None, dropout)(x), F.silu(x)) is (dropout == 0)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_norm_does_not_train_on_a_single_row(rows: int) -> None:
    part = RegularizedActivation(nn.SiLU(), nn.BatchNorm1d(4), 0.0)
    with pytest.raises(UserError, match=rf"insert_norm: a batch brings {rows} row\(s\) of 4 features .*batch size"):
        part(torch.randn(rows, 4))
    assert part.eval()(torch.randn(rows, 4)).shape == (rows, 4)


def test_what_it_holds_and_shows() -> None:
    part = RegularizedActivation(nn.SiLU(), nn.BatchNorm1d(4), 0.1)
    assert part.holds(nn.BatchNorm1d(4), 0.1)
    assert not part.holds(nn.BatchNorm1d(5), 0.1)
    assert not part.holds(None, 0.1)
    assert not part.holds(nn.BatchNorm1d(4), 0.2)
    assert "dropout=0.1" in repr(part)
