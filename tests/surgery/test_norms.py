from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.nn import IReLU
from ocp_dc.surgery import RegionTable, RemovedNorm, remove_norms
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.surgery_toys import TABLE, ToyBlocks, swap

pyg = pytest.importorskip("torch_geometric.nn")


class RMSNorm2(nn.Module):
    """A norm of a model's own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / x.square().mean(-1, keepdim=True).sqrt()


class ToyNorms(nn.Module):
    """Each kind of norm once; the last one in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(2, 2)
        self.batch = nn.BatchNorm1d(2)
        self.layer = nn.LayerNorm(2)
        self.pyg_batch = pyg.BatchNorm(2)
        self.pyg_layer = pyg.LayerNorm(2)
        self.own = RMSNorm2()
        self.shared = nn.ModuleList([self.batch, nn.ReLU()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.own(self.layer(self.batch(self.lin(x))))
        index = torch.zeros(len(x), dtype=torch.long)
        return self.shared[0](self.pyg_layer(self.pyg_batch(x), batch=index))


@pytest.mark.parametrize(
    ("which", "gone"),
    [
        ("none", []),
        ("batchnorm", ["batch", "pyg_batch"]),
        ("layernorm", ["layer", "pyg_layer"]),
        ("all", ["batch", "layer", "pyg_batch", "pyg_layer"]),
    ],
)
def test_what_goes(which: str, gone: list[str]) -> None:
    model = ToyNorms()
    assert [removal.path for removal in remove_norms(model, which)] == gone
    for name in ("batch", "layer", "pyg_batch", "pyg_layer"):
        assert isinstance(getattr(model, name), RemovedNorm) == (name in gone)
    assert isinstance(model.own, RMSNorm2)


def test_without_norms_the_model_is_its_linear_layer() -> None:
    model = ToyNorms().train()
    remove_norms(model, "all", ("RMSNorm2",))
    x = torch.randn(7, 2)
    assert_close(model(x), x @ model.lin.weight.T + model.lin.bias)
    assert list(model.state_dict()) == ["lin.weight", "lin.bias"]


def test_own_norms_go_with_all_only() -> None:
    for which in ("batchnorm", "layernorm"):
        assert "own" not in [removal.path for removal in remove_norms(ToyNorms(), which, ("RMSNorm2",))]
    table = RegionTable(output=(), source="toy", norm_types=("RMSNorm2",))
    assert "own" in [removal.path for removal in swap(ToyNorms(), table, denormalize="all").removals]


class NormOfParts(nn.Module):
    """A norm of a model's own that holds a LayerNorm, as those of equivariant features do for their scalars."""

    def __init__(self) -> None:
        super().__init__()
        self.scalars = nn.LayerNorm(2)


def test_a_norm_within_a_norm_is_a_part_of_it() -> None:
    model = nn.Sequential(NormOfParts(), nn.LayerNorm(2))
    assert [removal.path for removal in remove_norms(model, "layernorm", ("NormOfParts",))] == ["1"]
    assert [removal.path for removal in remove_norms(model, "all", ("NormOfParts",))] == ["0"]


def test_a_shared_norm_is_listed_once_and_stays_shared() -> None:
    model = ToyNorms()
    was = repr(model.batch)
    removal = remove_norms(model, "batchnorm")[0]
    assert (removal.path, removal.aliases, removal.was) == ("batch", ("shared.0",), was)
    assert isinstance(model.shared[0], RemovedNorm)
    assert model.shared[0] is model.batch


def test_a_shared_owner_is_listed_once() -> None:
    inner = nn.Sequential(nn.Linear(1, 1), nn.LayerNorm(1))
    model = nn.ModuleDict({"a": inner, "b": inner})
    removals = remove_norms(model, "all")
    assert [(removal.path, removal.aliases) for removal in removals] == [("a.1", ("b.1",))]


def test_a_norm_made_of_norms_goes_as_a_whole() -> None:
    model = nn.Sequential(pyg.BatchNorm(3), nn.Linear(3, 3), pyg.BatchNorm(3))
    removals = remove_norms(model, "batchnorm")
    assert [(removal.path, removal.aliases) for removal in removals] == [("0", ()), ("2", ())]


def test_the_stand_in_returns_a_new_tensor() -> None:
    x = torch.randn(3, 2)
    before = x.clone()
    y = RemovedNorm()(x, None, batch=torch.zeros(3))
    assert torch.equal(y, x)
    y += 1
    assert torch.equal(x, before)


def test_the_stand_in_has_gradient_one() -> None:
    x = torch.randn(3, requires_grad=True)
    RemovedNorm()(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones(3))


def test_no_random_number_and_the_other_names_stay() -> None:
    model = ToyNorms()
    state = torch.get_rng_state()
    remove_norms(model, "all", ("RMSNorm2",))
    assert torch.equal(torch.get_rng_state(), state)
    assert [name for name, _ in model.named_parameters()] == ["lin.weight", "lin.bias"]


def test_no_norms_is_an_error_only_where_nothing_else_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"^dc\.denormalize: 'batchnorm' finds no such layer in ToyBlocks"):
        swap(ToyBlocks(), denormalize="batchnorm")
    with pytest.raises(UserError, match="nothing else is asked for"):
        swap(nn.Sequential(nn.LayerNorm(1)), denormalize="batchnorm")
    others: list[dict[str, Any]] = [{"activation": "irelu"}, {"region": "output"}, {"elsewhere": "mish"}]
    for other in others:
        report = swap(ToyBlocks(), denormalize="all", **other)
        assert report.removals == ()
        assert report.to_dict()["counts"]["norms_removed"] == 0


def test_norms_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU())
    report = swap(model, denormalize="batchnorm")
    assert [type(part) for part in model] == [nn.Linear, RemovedNorm, nn.ReLU]
    assert ([removal.path for removal in report.removals], report.kept) == (["1"], (("2", "ReLU()"),))


def test_a_second_time_changes_nothing() -> None:
    model = ToyNorms()
    swap(model, denormalize="all")
    before = list(model.modules())
    report = swap(model, denormalize="all")
    assert report.removals == ()
    assert all(a is b for a, b in zip(before, model.modules(), strict=True))


def test_norms_and_activations_together_and_copies() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU())
    report = swap(model, TABLE, region="full", denormalize="all")
    assert (report.swapped, len(report.removals)) == (1, 1)
    x = torch.randn(1, 2)  # a batch norm in training mode would refuse one sample
    for clone in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert [type(part) for part in clone] == [nn.Linear, RemovedNorm, IReLU]
        assert torch.equal(clone(x), model(x))
