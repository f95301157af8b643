"""A trained network, loaded from its file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import finite_number
from ocp_dc.pinn.deepxde.checkpoint import load_plain
from ocp_dc.pinn.deepxde.network import FullyConnected, apply_surgery
from ocp_dc.pinn.deepxde.setup import build_network
from ocp_dc.pinn.options import PinnOptions
from ocp_dc.pinn.physics.task import COORDINATES
from ocp_dc.pinn.physics.tasks import task_class

KEYS = ("config", "iteration", "scale", "state_dict")
LARGEST = 1e15  # of a weight; squares of larger ones could overflow float32


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained network; calling it with coordinates returns fields.

    Args:
        options: the options of the training run.
        net: the network, whose outputs are fields divided by ``scale``.
        scale: the constant C of label rescaling, a number.
        iteration: the number of updates.
    """

    options: PinnOptions
    net: FullyConnected
    scale: float
    iteration: int

    @classmethod
    def load(cls, path: Path) -> Trained:
        """Read a ``model.pt`` or ``best.pt`` as data.

        Raises:
            UserError: the file is missing, damaged or hostile.
        """
        content = load_plain(path, KEYS)
        try:
            options = PinnOptions.from_config(json.loads(content["config"]))
            scale, iteration = finite_number("scale", content["scale"], positive=True), int(content["iteration"])
            _check_weights(content["state_dict"], options, path)
            task = task_class(options.task)()
            # leave the caller's random numbers and default device alone
            with torch.random.fork_rng(devices=[]), torch.device("cpu"):
                net = build_network(task, options)
                apply_surgery(net, options.dc)
            net.load_state_dict(content["state_dict"])
            wrong = [name for name, values in net.state_dict().items() if not (values.abs() < LARGEST).all()]
            if wrong:
                raise ValueError(f"{wrong[0]} holds NaN, or numbers beyond {LARGEST:g}")
        except (ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise UserError(f"{path}: its weights do not fit its config: {error}") from error
        return cls(options, net.eval(), scale, iteration)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return float64 values `[N, fields]` in physical units at coordinates `[N, d]`: x, t or x, y, t.

        Raises:
            UserError: the points have the wrong number of coordinates, or are not finite.
        """
        coordinates = task_class(self.options.task).domain
        x = torch.as_tensor(points, dtype=torch.float32, device="cpu")
        columns = COORDINATES[len(coordinates)]
        if x.dim() != 2 or x.shape[1] != len(columns):
            raise UserError(f"points: got shape {tuple(x.shape)}, expected [N, {len(columns)}]: {', '.join(columns)}")
        if not torch.isfinite(x).all():
            raise UserError("points: got coordinates that are NaN or infinite, expected finite numbers")
        with torch.no_grad():
            return self.net(x).double().numpy() * self.scale


def _check_weights(weights: Any, options: PinnOptions, path: Path) -> None:
    """Check that weights are float tensors, no larger than the file, and enough for the network of its config.

    Raises:
        ValueError: the weights fail a check.
    """
    if not isinstance(weights, Mapping) or not all(torch.is_tensor(each) for each in weights.values()):
        raise ValueError("its state_dict holds something other than tensors")
    for name, each in weights.items():
        if each.is_complex() or (name.endswith(("weight", "bias")) and not each.is_floating_point()):
            raise ValueError(f"{name} holds {each.dtype}, expected floats")
    widest = max((size for each in weights.values() for size in each.shape), default=0)
    network, size = options.network, sum(each.numel() * each.element_size() for each in weights.values())
    if size > path.stat().st_size or network.width > widest or network.hidden_layers > len(weights):
        raise ValueError(f"{network.hidden_layers} layers of width {network.width} are more than the file holds")
