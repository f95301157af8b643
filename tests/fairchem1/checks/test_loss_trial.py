"""Loss functions and metrics that cannot be computed from their target, and that all others pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.loss_trial import metric_names, try_loss, try_metric

BOTH = ("energy", "forces")


class Steps(nn.Module):
    """A loss without a gradient."""

    def forward(self, predicted, target, natoms):
        return (predicted > target).float()


@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize("name", ["mae", "mse", "huber"])
def test_losses_of_anything(target, name):
    try_loss(target, name)


def test_losses_that_fit_one_target():
    try_loss("forces", "l2mae")
    with pytest.raises(
        UserError, match=r"loss_functions\.energy\.fn: 'l2mae'.*expected one of huber, mae, mse, per_atom_mae"
    ):
        try_loss("energy", "l2mae")
    try_loss("energy", "per_atom_mae")
    with pytest.raises(UserError, match=r"'per_atom_mae' cannot be computed from forces, a vector for each atom"):
        try_loss("forces", "per_atom_mae")


def test_classes_that_are_no_losses():
    with pytest.raises(UserError, match=r"'torch\.nn\.ReLU' cannot be computed from forces.*TypeError"):
        try_loss("forces", "torch.nn.ReLU")
    with pytest.raises(UserError, match=r"has no gradient"):
        try_loss("energy", f"{__name__}.Steps")


def test_other_outputs_are_not_tried():
    try_loss("stress_isotropic", "l2mae")
    try_metric("stress_isotropic", "min_diff", BOTH)


@pytest.mark.parametrize(
    ("target", "name", "outputs", "message"),
    [
        ("misc", "mae", BOTH, r"metrics\.misc: 'mae' cannot be computed from misc, all outputs together"),
        ("energy", "average_distance_within_threshold", BOTH, r"KeyError: 'positions'"),
        ("energy", "min_diff", BOTH, r"min_diff.*expected one of .*mae"),
        ("misc", "energy_forces_within_threshold", ("energy",), r"KeyError: 'forces'"),
    ],
)
def test_metrics_that_cannot_be_computed(target, name, outputs, message):
    with pytest.raises(UserError, match=message):
        try_metric(target, name, outputs)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("energy", "mae"),
        ("energy", "per_atom_mae"),
        ("energy", "energy_within_threshold"),
        ("forces", "cosine_similarity"),
        ("forces", "magnitude_error"),
        ("forces", "forcesx_mae"),
        ("misc", "energy_forces_within_threshold"),
    ],
)
def test_metrics_that_can(target, name):
    try_metric(target, name, BOTH)


def test_helpers_of_the_evaluator_are_no_metrics():
    assert {"mae", "rmse", "cosine_similarity"} <= set(metric_names())
    assert not {"wraps", "metrics_dict"} & set(metric_names())


def test_nothing_is_drawn():
    before = torch.random.get_rng_state()
    try_loss("energy", "mae")
    try_metric("energy", "mae", BOTH)
    assert torch.equal(before, torch.random.get_rng_state())
