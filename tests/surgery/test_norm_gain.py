from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.surgery import FittedGain, fitting_gains, remove_norms
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.surgery_toys import swap


def deep() -> nn.Sequential:
    """Two norms in a row, the second after what the first one changes, and with another weight."""
    torch.manual_seed(0)
    last = nn.LayerNorm(4)
    nn.init.constant_(last.weight, 3.0)
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.SiLU(), nn.Linear(5, 4), last)


def fit(model: nn.Module, x: torch.Tensor) -> nn.Module:
    with fitting_gains(model):
        model(x)
    return model


def test_by_hand() -> None:
    """Of (3, 4) a LayerNorm makes (-1, 1): root mean squares of sqrt(12.5) and 1."""
    model = nn.Sequential(nn.LayerNorm(2, eps=0.0))
    remove_norms(model, "layernorm", fitted_gain=True)
    fit(model, torch.tensor([[3.0, 4.0]]))
    assert_close(model[0].gain, torch.tensor(1 / math.sqrt(12.5)))
    assert_close(model(torch.tensor([[1.0, 7.0]])), torch.tensor([[1.0, 7.0]]) / math.sqrt(12.5))  # constant now


def test_one_pass_gives_every_place_what_the_norm_gave() -> None:
    x = 10 * torch.randn(64, 3)
    stock, model = deep(), deep()
    remove_norms(model, "all", fitted_gain=True)
    fit(model, x)
    for end in (2, 5):
        reference = stock[:end](x) if end == 2 else stock[4](model[:4](x))  # the second sees what the gain left
        assert_close(model[:end](x).square().mean(), reference.square().mean())
    assert model(x).square().mean().sqrt().item() == pytest.approx(3.0, rel=1e-3)


def test_units_matter_and_the_gradient_is_the_gain() -> None:
    part = FittedGain(nn.LayerNorm(2))
    fit(part, torch.randn(8, 2))
    x = torch.randn(5, 2, requires_grad=True)
    assert_close(part(3 * x), 3 * part(x))
    (gradient,) = torch.autograd.grad(part(x).sum(), x)
    assert_close(gradient, part.gain.expand(5, 2))


def test_the_state_holds_one_number_per_norm_and_comes_back() -> None:
    model = deep()
    remove_norms(model, "all", fitted_gain=True)
    assert [name for name in model.state_dict() if name.split(".")[0] in "14"] == ["1.gain", "4.gain"]
    assert [name.split(".")[0] for name, _ in model.named_parameters()] == ["0", "0", "3", "3"]
    assert all(bool(torch.isnan(model[place].gain)) for place in (1, 4))
    x = torch.randn(16, 3)
    fit(model, x)
    other = deep()
    remove_norms(other, "all", fitted_gain=True)
    other.load_state_dict(model.state_dict())
    for clone in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(clone(x), model(x))


def test_nothing_is_fitted_outside_of_the_context() -> None:
    part = FittedGain(nn.BatchNorm1d(2))
    x = torch.randn(8, 2)
    fit(part, x)
    before = part.gain.clone()
    part.train()(5 * x)
    assert torch.equal(part.gain, before)


def test_features_that_are_all_zero_are_refused() -> None:
    with pytest.raises(UserError, match=r"^dc\.norm_gain: .* BatchNorm1d.* root mean square of 0 on the batch"):
        fit(FittedGain(nn.BatchNorm1d(2)), torch.zeros(4, 2))


def test_in_the_dc_block() -> None:
    report = swap(model := deep(), denormalize="batchnorm", norm_gain="fitted")
    assert [type(part).__name__ for part in model] == ["Linear", "FittedGain", "SiLU", "Linear", "LayerNorm"]
    assert "1: BatchNorm1d(5" in str(report)
    assert "removed, a fitted gain in its place" in str(report)
    assert swap(model, denormalize="batchnorm", norm_gain="fitted").removals == ()
    with pytest.raises(UserError, match=r"norm_gain 'fitted' takes the place of norms, and denormalize 'none'"):
        swap(deep(), norm_gain="fitted", activation="irelu", region="full")
