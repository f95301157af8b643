"""The network: DeepXDE's numbers, and what surgery finds and does."""

import math

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.nn import IReLU
from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.deepxde.network import FullyConnected, apply_surgery
from ocp_dc.pinn.options import NetworkOptions
from ocp_dc.surgery import DCOptions, RemovedNorm, fitting_gains

X = torch.linspace(-1, 1, 14).reshape(7, 2)


def network(final=None, **options):
    torch.manual_seed(0)
    return FullyConnected(2, 3, NetworkOptions(**{"hidden_layers": 4, "width": 10, **options}), final)


def changed(net, **block):
    return apply_surgery(net, DCOptions.from_block(block, "dc"))


def test_the_numbers_of_deepxde():
    torch.manual_seed(0)
    theirs = dde.nn.FNN([2, *[10] * 4, 3], "tanh", "Glorot normal")
    torch.nn.init.normal_(theirs.linears[0].bias)
    ours = network()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours(X), theirs(X))


def test_the_start_of_deepxde():
    """Glorot normal has a variance of 2 / (inputs + outputs); biases are zero."""
    linears = network(width=200).linears
    assert float(linears[1].weight.detach().std()) == pytest.approx(math.sqrt(2 / (200 + 200)), rel=0.02)
    assert not any(linear.bias.any() for linear in linears)


@pytest.mark.parametrize(
    ("block", "swapped"),
    [
        ({"activation": "irelu"}, [0, 1, 2, 3]),
        ({"activation": "irelu", "region": "full"}, [0, 1, 2, 3]),
        ({"activation": "irelu", "region": "output"}, [3]),
        ({"activation": "irelu", "region": [r"activations\.[12]"]}, [1, 2]),
    ],
    ids=str,
)
def test_regions(block, swapped):
    net = network(final="relu")
    report = changed(net, **block)
    assert report.swapped == len(swapped)
    assert [i for i, function in enumerate(net.activations) if isinstance(function, IReLU)] == swapped
    assert isinstance(net.final, torch.nn.ReLU)


def test_the_final_activation_is_out_of_reach():
    net = network(final="relu")
    report = changed(net, activation="irelu", region="output", elsewhere="mish")
    assert (report.swapped, report.swapped_elsewhere) == (1, 3)
    assert (net(X) >= 0).all()
    with pytest.raises(UserError, match=r"^dc\.region: '\^final' matches no activation"):
        changed(net, activation="irelu", region=["^final"])


@pytest.mark.parametrize("place", ["before", "after"])
def test_batch_normalization(place):
    net = network(batchnorm=place)
    linear, norm = net.linears[0](X), net.norms[0]
    expected = norm(linear).tanh() if place == "before" else norm(linear.tanh())
    seen = []
    net.linears[1].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    net(X)
    torch.testing.assert_close(seen[0], expected)


def test_denormalization_is_the_network_without_norms():
    plain, normed = network(), network(batchnorm="after")
    weights = plain.state_dict()
    normed.load_state_dict(weights, strict=False)
    report = changed(normed, denormalize="batchnorm")
    assert len(report.removals) == 4
    assert all(isinstance(norm, RemovedNorm) for norm in normed.norms)
    assert list(normed.state_dict()) == list(weights)
    assert torch.equal(normed(X), plain(X))


def test_fitted_gains():
    net = network(batchnorm="after")
    changed(net, denormalize="batchnorm", norm_gain="fitted")
    with fitting_gains(net) as gains:
        net(X)
    assert len(gains) == 4
    assert all(math.isfinite(gain.gain) for gain in gains)


def test_inserted_norms_and_dropout():
    net = network()
    report = changed(net, insert_norm="batchnorm", insert_region="full", dropout=0.2)
    assert len(report.insertions) == 4
    assert net(X).shape == (7, 3)
    assert not torch.equal(net(X), net(X))  # other units are dropped each time
    net.eval()
    assert torch.equal(net(X), net(X))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"activation": "irelo"}, r"unknown activation 'irelo'.*Did you mean 'irelu'"),
        ({"activation": "irelu", "region": "outputs"}, r"dc\.region: unknown region 'outputs'.*Did you mean 'output'"),
        ({"denormalize": "batchnorm"}, r"^dc\.denormalize: 'batchnorm' finds no such layer"),
    ],
    ids=str,
)
def test_mistakes(block, message):
    with pytest.raises(UserError, match=message) as got:
        changed(network(), **block)
    assert "model.dc" not in str(got.value)
