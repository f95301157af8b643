"""The folder of a training run: its files, and whether a folder with files in it can go on.

DIR/.lock                 the process that works here
DIR/config.yml            the resolved config, written once everything could be built
DIR/surgery.json          the report of surgery
DIR/initial_weights.json  digests of the parameters before the first step
DIR/environment.json      versions and device
DIR/losses.csv            every loss term by its name, on scaled labels and before any weight; their weighted sum;
                          learning rate; the constant of label rescaling; time per iteration
DIR/checkpoint.pt         the state to go on from
DIR/model.pt, best.pt     the last weights, whose errors are reported, and those of the lowest total loss
DIR/learning_curves.png   losses.csv, drawn
DIR/solution-FIELD.png    data, prediction and error
DIR/test.json             the errors: written last, so that the training run is done where it exists
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
        """Check that the folder holds no training run, or one to go on with.

        Raises:
            UserError: the training run is done, or the folder's ``config.yml`` is another one or no config.
        """
        if self.test.is_file() and not is_cut_off(self.test):
            raise UserError(f"{self.path}: holds a finished training run; give another --out, or remove it")
        path = self.path / "config.yml"
        if path.is_file() and path.stat().st_size:  # a kill of an earlier version may have left it empty
            try:
                before = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise UserError(f"{path}: is no YAML ({error}); give another --out") from error
            if different := _differences(before, json.loads(json.dumps(config))):
                raise UserError(
                    f"{self.path}: holds a training run with another config ({', '.join(different)}); give another "
                    "--out, or the same config to go on"
                )

    def begin(self, config: Mapping[str, Any]) -> None:
        """Write the config."""
        write_text(self.path / "config.yml", yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))

    def describe(self, surgery: Mapping[str, Any], weights: str, device: torch.device) -> None:
        """Write what surgery did, the record of the initial weights, and what the training runs on."""
        write_json(self.path / "surgery.json", surgery)
        write_json(self.path / "initial_weights.json", json.loads(weights))
        write_json(self.path / "environment.json", describe_environment(device, ["deepxde"]))

    def save_weights(
        self, name: str, config: Mapping[str, Any], iteration: int, scale: float, state: Mapping[str, Any]
    ) -> None:
        """Write weights, with the config that rebuilds their network and the scale of its outputs."""
        content = {"config": json.dumps(config), "iteration": iteration, "scale": scale, "state_dict": dict(state)}
        with replacing(self.path / name) as temporary:
            torch.save(content, temporary)


def read_losses(path: str | Path) -> dict[str, np.ndarray]:
    """Return the columns of the losses of a training run, finished or not: ``iteration``, every term, ``total``, ...

    Args:
        path: the folder of the training run.

    Raises:
        UserError: there are none.
    """
    file = Folder(path).losses
    if not file.is_file():
        raise UserError(f"{file}: got no such file, expected the folder of a training run that has begun")
    header, rows = row_table.read(file, "the losses of a training run")
    return {name: np.array([float(row[i] or "nan") for row in rows]) for i, name in enumerate(header)}


def read_test(path: str | Path) -> dict[str, Any] | None:
    """Return the errors of a training run, None where it is not done."""
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
