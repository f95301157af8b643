"""The setup of a training run: order of the terms, label rescaling, the warning, terms without points."""

import itertools
import logging
from typing import Any

import numpy as np
import pytest
import torch

from ocp_dc import pinn
from ocp_dc.core.errors import UserError
from ocp_dc.pinn.deepxde.fingerprint import same_data
from ocp_dc.pinn.deepxde.setup import set_up
from ocp_dc.pinn.options import PinnOptions
from ocp_dc.pinn.physics.losses import NamedLosses
from ocp_dc.pinn.physics.metrics import solution_errors
from ocp_dc.pinn.physics.solution import Solution

SMALL: dict[str, Any] = {
    "task": "advection",
    "data": {"size": 16, "times": 5},
    "network": {"hidden_layers": 2, "width": 8},
    "sampling": {"domain": 30, "boundary": 20, "initial": 10},
}


def setup_of(*overrides, **config):
    return set_up(PinnOptions.from_config(pinn.resolve({**SMALL, **config}, overrides)))


def test_terms_are_named_as_they_are_computed():
    """Each term by hand, from the task's own residuals and the data."""
    setup = setup_of()
    data, net = setup.model.data, setup.net
    setup.model.outputs_losses_train(data.train_x, data.train_y, None)
    values = setup.losses.values()
    x = torch.as_tensor(data.train_x_all).requires_grad_()
    residual = setup.task.residuals(x, net(x))["L_f"]
    assert values["L_f"] == pytest.approx(float(residual.detach().square().mean()), rel=1e-5)
    start = torch.as_tensor(setup.solution.points[:16], dtype=torch.float32)
    error = net(start).detach()[:, 0] - torch.as_tensor(setup.solution.fields["u"][0], dtype=torch.float32)
    assert values["L_IC"] == pytest.approx(float(error.square().mean()), rel=1e-5)
    left = torch.as_tensor(data.train_x[16 : 16 + data.num_bcs[1]])
    ends = [torch.cat([torch.full_like(left[:, :1], end), left[:, 1:]], dim=1) for end in (0.0, 1.0)]
    assert values["L_BC"] == pytest.approx(float((net(ends[0]) - net(ends[1])).detach().square().mean()), rel=1e-4)
    assert setup.losses.total() == pytest.approx(sum(values.values()))


def test_weights_count_in_the_total_alone():
    plain, weighted = setup_of(), setup_of("--loss_weights={L_f: 0, L_IC: 10}")
    losses = {}
    for name, setup in (("plain", plain), ("weighted", weighted)):
        data = setup.model.data
        _, losses[name] = setup.model.outputs_losses_train(data.train_x, data.train_y, None)
        losses[name] = losses[name].detach()
    assert plain.losses.values() == weighted.losses.values()
    values = plain.losses.values()
    assert weighted.losses.total() == pytest.approx(10 * values["L_IC"] + values["L_BC"])
    assert float(losses["weighted"].sum()) == pytest.approx(weighted.losses.total(), rel=1e-6)
    assert losses["weighted"][:2].tolist() == pytest.approx([0, 10 * values["L_IC"]])


def test_losses_while_evaluating_are_others():
    net = torch.nn.Linear(1, 1)
    losses = NamedLosses(["L_f"], {}, net)
    (function,) = losses.functions()
    function(torch.zeros(2), torch.ones(2))
    net.eval()
    function(torch.zeros(2), 3 * torch.ones(2))
    assert losses.values() == {"L_f": 1.0}
    assert losses.values(training=False) == {"L_f": 9.0}


def test_an_unknown_term():
    with pytest.raises(UserError, match="unknown loss term in loss_weights 'L_IV': expected one of L_BC, L_IC, L_f"):
        setup_of("--loss_weights.L_IV=1")


def test_label_rescaling():
    """A network of the solution over C has the losses of the solution itself over C squared."""
    plain, scaled = setup_of(), setup_of("--label_rescaling.scale=4.0")
    scaled.net.load_state_dict(plain.net.state_dict())
    with torch.no_grad():
        for parameter in scaled.net.linears[-1].parameters():
            parameter /= 4
    for setup in (plain, scaled):
        setup.model.outputs_losses_train(setup.model.data.train_x, None, None)
    for name, value in plain.losses.values().items():
        assert scaled.losses.values()[name] == pytest.approx(value / 16, rel=1e-4)


def test_initial_rms():
    setup = setup_of("--label_rescaling.scale=initial_rms")
    assert setup.task.scale == pytest.approx(np.sqrt(np.mean(setup.solution.fields["u"][0] ** 2)))


def test_the_warning_of_batch_statistics(caplog):
    network = {**SMALL["network"], "batchnorm": "before"}
    setup_of(network=network)
    assert "batch normalization" in caplog.text
    caplog.clear()
    setup_of(network=network, dc={"denormalize": "batchnorm"})
    assert not caplog.text


@pytest.mark.parametrize(
    ("task", "activation", "warned"),
    [
        ("advection", "irelu", False),
        ("advection", "relu", True),
        ("diffusion_sorption", "tanh", False),
        ("diffusion_sorption", "irelu", True),
        ("diffusion_sorption", "integrated_leaky_relu", True),
        ("diffusion_sorption", "twice_integrated_relu", False),
    ],
)
def test_the_warning(task, activation, warned, caplog):
    with caplog.at_level(logging.WARNING):
        setup_of(task=task, dc={"activation": activation})
    assert bool(caplog.messages) == warned
    if task == "diffusion_sorption" and warned:
        assert "derivatives up to order 2" in caplog.text
        assert "try twice_integrated_relu of the same family" in caplog.text


def test_times_that_the_data_do_not_have():
    setup_of(times=[0.0, 2.2])  # half a step from the last
    with pytest.raises(UserError, match="times: got 99, expected times of the data, from 0 to 2"):
        setup_of(times=[0.0, 99.0])


def test_no_weight_at_all():
    with pytest.raises(UserError, match="got 0 for every term"):
        setup_of("--loss_weights={L_f: 0, L_IC: 0, L_BC: 0}")


def test_the_fingerprint_knows_points_values_and_scale():
    fingerprints = [
        setup_of(*overrides, data={"size": 16, "times": 5, "seed": data}, seed=seed).fingerprint
        for data, seed, *overrides in [(0, 0), (1, 0), (0, 1), (0, 0, "--label_rescaling.scale=2")]
    ]
    assert not any(same_data(first, second) for first, second in itertools.combinations(fingerprints, 2))
    assert same_data(setup_of().fingerprint, fingerprints[0])


def test_terms_without_points():
    with pytest.raises(UserError, match="sampling: leaves L_BC without points; raise boundary"):
        setup_of(sampling={"domain": 30, "boundary": 0, "initial": 10})


def test_errors_by_hand():
    axes = {"t": np.arange(3.0), "x": np.arange(2.0)}
    true = np.array([[9.0, 9.0], [3.0, 4.0], [0.0, 10.0]])
    solution = Solution("advection", axes, {"u": true})
    predicted = {"u": true + np.array([[7.0, 7.0], [1.0, 1.0], [2.0, 4.0]])}
    errors = solution_errors(predicted, solution, last=2)["fields"]["u"]
    assert errors["MSE"] == pytest.approx((1 + 1 + 4 + 16) / 4)
    assert errors["RMSE"] == pytest.approx((1 + np.sqrt(10)) / 2)
    assert errors["nRMSE"] == pytest.approx((1 / np.sqrt(12.5) + np.sqrt(10) / np.sqrt(50)) / 2)
    assert solution_errors(predicted, solution)["time_steps"] == 3
