"""The folder of a training run: its files, and whether the run in it can be resumed.

DIR/.lock                 the lock of the process that trains here
DIR/config.yml            the resolved config, written after everything was built
DIR/surgery.json          the report of surgery
DIR/initial_weights.json  digests of the parameters before the first step
DIR/environment.json      versions and device
DIR/losses.csv            every loss term by name, on scaled labels and unweighted; their weighted sum;
                          learning rate; the constant C of label rescaling; time per iteration
DIR/checkpoint.pt         the state from which training resumes
DIR/model.pt, best.pt     the last weights, whose errors are reported, and those with the lowest total loss
DIR/learning_curves.png   plots of losses.csv
DIR/solution-FIELD.png    data, prediction and error
DIR/test.json             the test errors; written last, so the training run is finished if it exists
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from ocp_dc.core import row_table
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import is_cut_off, read_record, replacing, write_json, write_text
from ocp_dc.training.environment import describe_environment


class Folder:
    """The folder of one training run.

    Args:
        path: ``DIR``.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint.pt"
        self.losses = self.path / "losses.csv"
        self.test = self.path / "test.json"

    def check(self, config: Mapping[str, Any]) -> None:
        """Check that the folder holds no training run, or one that can be resumed.

        Raises:
            UserError: the training run is finished, or ``config.yml`` in the folder is another config or not valid.
        """
        if self.test.is_file() and not is_cut_off(self.test):
            raise UserError(f"{self.path}: holds a finished training run; give another --out, or remove it")
        path = self.path / "config.yml"
        if path.is_file() and path.stat().st_size:  # an earlier version may have left it empty when it was killed
            try:
                before = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise UserError(f"{path}: is not YAML ({error}); give another --out") from error
            if different := _differences(before, json.loads(json.dumps(config))):
                raise UserError(
                    f"{self.path}: holds a training run with another config ({', '.join(different)}); give another "
                    "--out, or the same config to resume it"
                )

    def begin(self, config: Mapping[str, Any]) -> None:
        """Write the config."""
        write_text(self.path / "config.yml", yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))

    def describe(self, surgery: Mapping[str, Any], weights: str, device: torch.device) -> None:
        """Write the report of surgery, the record of the initial weights, and the environment."""
        write_json(self.path / "surgery.json", surgery)
        write_json(self.path / "initial_weights.json", json.loads(weights))
        write_json(self.path / "environment.json", describe_environment(device, ["deepxde"]))

    def save_weights(
        self, name: str, config: Mapping[str, Any], iteration: int, scale: float, state: Mapping[str, Any]
    ) -> None:
        """Write weights together with the config of their network and the scale of its outputs."""
        content = {"config": json.dumps(config), "iteration": iteration, "scale": scale, "state_dict": dict(state)}
        with replacing(self.path / name) as temporary:
            torch.save(content, temporary)


def read_losses(path: str | Path) -> dict[str, np.ndarray]:
    """Return the columns of a training run's ``losses.csv``: ``iteration``, every term, ``total``, ...

    The training run need not be finished.

    Args:
        path: the folder of the training run.

    Raises:
        UserError: there is no such file, or it has no rows.
    """
    file = Folder(path).losses
    if not file.is_file():
        raise UserError(f"{file}: got no such file, expected the folder of a training run that has begun")
    header, rows = row_table.read(file, "the losses of a training run")
    return {name: np.array([float(row[i] or "nan") for row in rows]) for i, name in enumerate(header)}


def read_test(path: str | Path) -> dict[str, Any] | None:
    """Return the test errors of a training run, or None if it is not finished."""
    file = Folder(path).test
    if not file.is_file() or is_cut_off(file):
        return None
    return read_record(file, f"remove {file} to take the errors again")


def _differences(before: Any, now: Any, path: str = "") -> list[str]:
    """Return the dotted paths at which two configs differ."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys([*before, *now])
        return [d for k in keys for d in _differences(before.get(k), now.get(k), f"{path}.{k}" if path else str(k))]
    return [] if before == now else [f"{path}: {before!r} there, {now!r} now"]
