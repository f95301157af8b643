"""The fit of scale factors of a config, and their file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.train.fit_scales import fit_config
from ocp_dc.models.scale_factors import scale_factors

from tests.helpers.atomic_batches import batch_of, bulk, ethanol
from tests.helpers.small_backbones import GEMNET_T, HEADS, SCHNET, small_model


def loader() -> list[Any]:
    """A loader of two batches, for the config."""
    return [batch_of([ethanol(), bulk()], torch.float32), batch_of([ethanol(1)], torch.float32)]


def config_of(folder: Path, backbone: dict[str, Any]) -> Path:
    model = {
        "_target_": "ocp_dc.fairchem2.dc_model.DCHydraModel",
        "pass_through_head_outputs": True,
        "backbone": backbone,
        "heads": HEADS,
        "dc": {"activation": "mish", "region": "full"},
    }
    runner = {"train_eval_unit": {"model": model}, "train_dataloader": {"_target_": f"{__name__}.loader"}}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"job": {"seed": 3}, "runner": runner}))
    return path


def test_a_fit_and_its_file(tmp_path: Path) -> None:
    out = tmp_path / "scales.json"
    fitted = fit_config(str(config_of(tmp_path, {**GEMNET_T, "scale_file": "missing.json"})), out, batches=5, cpu=True)
    content = json.loads(out.read_text())
    comment = content.pop("comment")
    assert content == {each.name: each.value for each in fitted}
    assert comment["dc"] == {"activation": "mish", "region": "full"}
    assert "TripInteraction_1_had_rbf" in content
    model = small_model(GEMNET_T, scale_file=str(out))
    values = {name: float(factor.scale_factor) for name, factor in scale_factors(model.backbone.potential).items()}
    assert values == pytest.approx(content)
    assert model.backbone.build_inference_settings(None) == {"scale_file": None}
    again = fit_config(str(config_of(tmp_path, GEMNET_T)), tmp_path / "again.json", batches=5, cpu=True)
    assert again == fitted


def test_what_cannot_be_fitted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"SchNet has no scale factors and needs no fit"):
        fit_config(str(config_of(tmp_path, SCHNET)), tmp_path / "scales.json", cpu=True)
    with pytest.raises(UserError, match=r"expected a name that ends in .json"):
        fit_config("fairchem2/gemnet_t-dc", tmp_path / "scales.txt")
    assert not (tmp_path / "scales.json").exists()


def test_a_file_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "scales.json"
    path.write_text(json.dumps({"OutBlock_0_sum": 1.0}))
    with pytest.raises(UserError, match=r"model.scale_file: lacks .* of the 9 scale factors of GemNetT"):
        small_model(GEMNET_T, scale_file=str(path))
    with pytest.raises(UserError, match=r"missing.json: cannot be read as JSON"):
        small_model(GEMNET_T, scale_file="missing.json")
