"""The contract of every wrapper, as a base class of tests; a subclass sets names, arguments and counts."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, ClassVar

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.nn import IReLU
from ocp_dc.testing.force_contract import ForceContract

# torch's names of the operations of activations; without sigmoid and tanh, which are also gates
ACTIVATION_OPERATIONS = {f"{name}Backward0" for name in ("Silu", "Softplus", "Mish", "Gelu", "Elu", "LeakyRelu")}


def operations(result: torch.Tensor) -> set[str]:
    """Return the names of all operations in the autograd graph of a tensor."""
    nodes, seen = [result.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes += [parent for parent, _ in node.next_functions]
    return {node.name() for node in seen}


class WrapperContract(ForceContract):
    """Tests of a wrapper against its stock model, of its surgery, and of its forces.

    A host's subclass finds classes and makes batches. A model's subclass sets names, arguments and counts, and supplies
    the fixture ``structures``: a list of labeled structures, two or more.
    """

    # name of the stock model; the wrapper is registered as dc_ and this name
    stock_name: ClassVar[str]
    # arguments of a small model
    arguments: ClassVar[dict[str, Any]]
    # the arguments of the stock model, if they differ from the wrapper's
    stock_arguments: ClassVar[dict[str, Any] | None] = None
    # keys to add to every dc: block; alone they change nothing
    dc_always: ClassVar[dict[str, Any]] = {}
    # region -> the number of its activations; a shared one counts once
    region_counts: ClassVar[dict[str, int]]
    # region -> the number of sites outside it, for models that share one activation object between sites
    region_kept: ClassVar[dict[str, int] | None] = None
    # value of denormalize -> the number of norms that it removes
    norms: ClassVar[dict[str, int]] = {"batchnorm": 0, "layernorm": 0, "all": 0}

    @abstractmethod
    def model_class(self, name: str) -> type[torch.nn.Module]:
        """Return the class that is registered under a name."""

    @property
    def name(self) -> str:
        """The name of the wrapper."""
        return f"dc_{self.stock_name}"

    def build(self, name: str | None = None, **changes: Any) -> Any:
        """Build a model, by default the wrapper, from the same random numbers each time."""
        if changes.get("dc") is not None:
            changes["dc"] = {**changes["dc"], **self.dc_always}
        others = self.stock_arguments if name == self.stock_name else None
        arguments = self.arguments if others is None else others
        torch.manual_seed(0)
        return self.model_class(name or self.name)(**{**copy.deepcopy(arguments), **changes})

    def kept(self, region: str) -> int:
        """Return the number of sites outside a region, which do not change."""
        if self.region_kept is not None:
            return self.region_kept[region]
        return self.region_counts["full"] - self.region_counts[region]

    # ---- without dc: the stock model ----

    @pytest.mark.parametrize("dc", [None, {}, {"activation": "original"}, {"region": "none"}])
    def test_noop_is_the_stock_model(self, structures: list[Any], dc: Any) -> None:
        """Outputs, gradients and parameters after two steps are the stock model's, bit for bit."""
        stock, wrapper = self.build(self.stock_name), self.build(dc=dc)
        assert wrapper.dc_report is None
        for model in (stock, wrapper):
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
            for _ in range(2):
                out = self.run(model, self.batch(structures))
                loss = out["energy"].abs().mean() + 30 * out["forces"].abs().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.last = out
        for key in ("energy", "forces"):
            assert torch.equal(stock.last[key], wrapper.last[key])
        ours = dict(wrapper.named_parameters())
        for name, parameter in stock.named_parameters():
            assert torch.equal(parameter, ours[name]), name
            assert (parameter.grad is None) == (ours[name].grad is None) == (not parameter.requires_grad), name
            assert parameter.grad is None or torch.equal(parameter.grad, ours[name].grad), name

    def test_draws_the_random_numbers_of_the_stock_model(self) -> None:
        """Models that differ only in activations start from the same weights."""
        stock = self.build(self.stock_name).state_dict()
        swapped = self.build(dc={"activation": "irelu", "region": "full"}).state_dict()
        assert stock.keys() == swapped.keys()
        assert all(torch.equal(value, swapped[name]) for name, value in stock.items())

    def test_exchanges_checkpoints_with_the_stock_model(self) -> None:
        """State dicts load strictly in both directions."""
        stock, wrapper = self.build(self.stock_name), self.build(dc={"activation": "irelu", "region": "output"})
        wrapper.load_state_dict(stock.state_dict(), strict=True)
        stock.load_state_dict(wrapper.state_dict(), strict=True)

    # ---- surgery ----

    @pytest.mark.parametrize("region", ["output", "paper", "full"])
    def test_region_counts(self, region: str) -> None:
        """Each named region has the number of activations that the subclass sets."""
        report = self.build(dc={"activation": "irelu", "region": region}).dc_report
        assert report.swapped == self.region_counts[region]
        assert all(swap.now == repr(IReLU()) for swap in report.swaps)
        assert len(report.kept) == self.kept(region)

    def test_elsewhere_reaches_the_rest(self) -> None:
        """``elsewhere`` changes all activations outside the region."""
        report = self.build(dc={"activation": "irelu", "region": "output", "elsewhere": "mish"}).dc_report
        assert report.swapped == self.region_counts["output"]
        assert report.swapped_elsewhere == self.kept("output")

    def test_no_original_activation_runs_in_the_region(self, structures: list[Any]) -> None:
        """Traced in a forward pass, which also shows activations that are not modules."""
        model = self.build(dc={"activation": "irelu", "region": "full"})
        seen: set[str] = set()
        for module in model.modules():
            module.register_forward_hook(lambda module, _, __: seen.add(type(module).__name__))
        out = model(self.batch(structures))
        assert "IReLU" in seen
        stock = self.build()(self.batch(structures))
        for key in ("energy", "forces"):
            assert operations(stock[key]) & ACTIVATION_OPERATIONS
            assert not operations(out[key]) & ACTIVATION_OPERATIONS  # called as functions, out of reach of a swap
        assert not seen & {"ShiftedSoftplus", "ScaledSiLU", "SiLU", "SmoothLeakyReLU", "Softplus", "Swish"}

    # ---- insertion ----

    def test_insertion_keeps_the_stock_parameters(self, structures: list[Any]) -> None:
        """Names and initial values do not change, and surgery draws no random number."""
        stock = self.build(self.stock_name).state_dict()
        model = self.build(dc={"dropout": 0.2, "insert_norm": "batchnorm", **self.insertion})
        random_state = torch.get_rng_state()
        found = model.state_dict()
        assert [name for name in found if ".norm." not in name or name in stock] == list(stock)
        assert all(torch.equal(found[name], value) for name, value in stock.items())
        assert found.keys() > stock.keys()
        self.build(dc={"activation": "irelu"})
        assert torch.equal(torch.get_rng_state(), random_state)
        dropout = self.build(dc={"dropout": 0.2, "insert_region": "full"})
        assert dropout.state_dict().keys() == stock.keys()
        for each in (model, dropout):
            batch = self.batch(structures)
            trained, again = each(batch)["energy"], each(batch)["energy"]
            assert not torch.equal(trained, again)
            each.eval()
            assert torch.equal(self.run(each, batch)["energy"], self.run(each, batch)["energy"])

    # ---- mistakes ----

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"dc": {"activation": "irelo"}}, r"irelo.*Did you mean 'irelu'"),
            ({"dc": {"activation": "irelu", "region": "outputs"}}, r"outputs.*Did you mean 'output'"),
            ({"dc": {"activation": "irelu", "region": ["no_such_block"]}}, r"matches no activation"),
            ({"dc": {"activaton": "irelu"}}, r"activaton.*Did you mean 'activation'"),
            ({"no_such_argument": 1}, r"no_such_argument"),
        ],
    )
    def test_mistakes_are_named(self, changes: dict[str, Any], message: str) -> None:
        """The message names the mistake and the nearest valid name."""
        with pytest.raises(UserError, match=message):
            self.build(**changes)

    @pytest.mark.parametrize("which", ["batchnorm", "layernorm", "all"])
    def test_denormalize(self, which: str) -> None:
        """The number of removed norms is the subclass's; if it is zero and nothing else changes, that is an error."""
        report = self.build(dc={"denormalize": which, "activation": "irelu"}).dc_report
        assert len(report.removals) == self.norms[which]
        if self.norms[which] == 0:
            with pytest.raises(UserError, match="finds no such layer"):
                self.build(dc={"denormalize": which})
        else:
            alone = self.build(dc={"denormalize": which}).dc_report
            assert (alone.removals, alone.swaps) == (report.removals, ())
