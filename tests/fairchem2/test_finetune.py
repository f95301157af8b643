"""Fine-tuning: new heads on the backbone of a checkpoint; and what a block of ``dc:`` may change there."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.fairchem2 import finetune
from ocp_dc.fairchem2.dc_model import DCHydraModel
from ocp_dc.fairchem2.finetune import dc_finetuning_model
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.fairchem2_hydras import EFS, MODELS, arguments, batch, kinds, write_checkpoint

DC = {"activation": {"name": "irelu", "coefficient": 0.25}, "region": "output"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "start.pt"


def backbone(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: value for key, value in model.state_dict().items() if key.startswith("backbone.")}


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["escnmd", "uma"])
def test_new_heads(path: Path, name: str) -> None:
    start = write_checkpoint(path, name)
    model = dc_finetuning_model(str(path), heads=EFS, dc=DC)
    assert_same(backbone(model), backbone(start))
    assert kinds(model.output_heads, "IReLU")["IReLU"] == 2
    key = "output_heads.efs.energy_block.0.weight"
    assert not torch.equal(model.state_dict()[key], start.state_dict()[key])
    assert all(p.requires_grad for p in model.backbone.blocks.parameters())
    # what fairchem saves is the whole model, which needs no other checkpoint
    saved = OmegaConf.to_container(model.finetune_model_full_config)
    assert saved.pop("_target_") == "ocp_dc.fairchem2.dc_model.DCHydraModel"
    again = DCHydraModel(**saved)
    again.load_state_dict(model.state_dict())
    energies = [m.eval()(batch())["energy"]["energy"].float() for m in (again, model)]
    assert_close(*energies)


def test_the_heads_of_the_checkpoint_are_kept(path: Path) -> None:
    start = write_checkpoint(path, "escnmd", {"region": "full", "denormalize": "all"})
    model = dc_finetuning_model(str(path))
    assert_same(model.state_dict(), start.state_dict())
    energies = [m.eval()(batch())["energy"]["energy"].float() for m in (model, start)]
    assert_close(*energies)
    with pytest.raises(UserError, match="give heads: too, for new ones"):
        dc_finetuning_model(str(path), dc=DC)


def test_the_averaged_weights_are_taken(path: Path) -> None:
    write_checkpoint(path, "escnmd")
    content = torch.load(path, weights_only=False)
    for value in content.ema_state_dict.values():
        value += 1
    torch.save(content, path)
    model = dc_finetuning_model(str(path))
    name = "backbone.sphere_embedding.weight"
    assert torch.equal(model.state_dict()[name], content.model_state_dict[name] + 1)


@pytest.mark.parametrize(
    ("trained", "dc", "message"),
    [
        (None, {"region": "full"}, r"trained without a dc: block, and this block changes its layers \(backbone\."),
        (None, {**DC, "denormalize": "all"}, r"changes its layers \(backbone\..*removed"),
        ({"region": "full"}, DC, "trained with dc: .*lacks changes of its layers .*"),
        ({"region": "full"}, {**DC, "region": "full"}, r"changes its layers .*coefficient=0\.25"),
    ],
    ids=["full", "norms", "lacks", "other"],
)
def test_other_layers_in_a_trained_backbone_are_refused(
    path: Path, trained: dict[str, Any] | None, dc: dict[str, Any], message: str
) -> None:
    write_checkpoint(path, "escnmd", trained)
    with pytest.raises(UserError, match=f"(?s){message}.*region: \\['\\^output_heads'\\]") as error:
        dc_finetuning_model(str(path), heads=EFS, dc=dc)
    assert ("leave dc: out to keep the block of the checkpoint" in str(error.value)) is (trained is not None)


@pytest.mark.parametrize("dc", [None, {"region": "full", "dropout": 0.0}], ids=str)
def test_the_block_of_the_checkpoint_goes_on(path: Path, dc: dict[str, Any] | None) -> None:
    """Given again in other words, or left out."""
    write_checkpoint(path, "escnmd", {"region": "full"})
    model = dc_finetuning_model(str(path), heads=EFS, dc=dc)
    assert kinds(model, "IReLU", "SiLU") == {"IReLU": 15}


def test_the_output_region_of_escaip_reaches_its_backbone(path: Path) -> None:
    write_checkpoint(path, "escaip")
    heads = MODELS["escaip"]["heads"]
    with pytest.raises(UserError, match=r"backbone\.output_projection"):
        dc_finetuning_model(str(path), heads=heads, dc=DC)
    model = dc_finetuning_model(str(path), heads=heads, dc={**DC, "region": ["^output_heads"]})
    assert kinds(model, "IReLU")["IReLU"] == 1


def test_a_frozen_backbone(path: Path) -> None:
    write_checkpoint(path, "escnmd")
    model = dc_finetuning_model(str(path), heads=EFS, dc=DC, freeze_backbone=True)
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"output_heads"}
    out = model(batch())
    out["forces"]["forces"].square().sum().backward()
    assert all(p.grad is not None for p in model.output_heads.parameters() if p.ndim == 2)
    assert all(p.grad is None for p in model.backbone.parameters())


def test_data_sets_take_the_embedding_of_another(path: Path) -> None:
    write_checkpoint(path, "uma")
    content = torch.load(path, weights_only=False)
    content.model_config["backbone"]["dataset_mapping"] = {"omol": "omol", "oc20": "oc20"}
    for state, start in ((content.model_state_dict, ""), (content.ema_state_dict, "module.")):
        prefix = f"{start}backbone.dataset_embedding.dataset_emb_dict"
        weight = state.pop(f"{prefix}.data.weight")
        state[f"{prefix}.omol.weight"], state[f"{prefix}.oc20.weight"] = weight, weight + 1
    torch.save(content, path)
    model = dc_finetuning_model(str(path), heads=EFS, dc=DC, datasets={"data": "oc20"})
    embedding = model.backbone.dataset_embedding
    assert torch.equal(embedding(["data"]), embedding(["oc20"]))
    assert not torch.equal(embedding(["data"]), embedding(["omol"]))
    with pytest.raises(UserError, match=r"model.datasets.data: got 'omat', .* omol, oc20"):
        dc_finetuning_model(str(path), heads=EFS, datasets={"data": "omat"})


def test_a_name_of_fairchem_is_downloaded_by_fairchem(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(path, "escnmd")
    asked: list[str] = []

    def download(name: str) -> str:
        asked.append(name)
        return str(path)

    monkeypatch.setattr(finetune, "pretrained_checkpoint_path_from_name", download)
    assert dc_finetuning_model("uma-s-1p2").dc_report is None
    assert asked == ["uma-s-1p2"]
    with pytest.raises(UserError, match=r"is no file and no model of fairchem.* Did you mean 'uma-s-1p2"):
        dc_finetuning_model("uma-s-1p3")


def test_the_checkpoint_is_read_as_data(path: Path) -> None:
    write_checkpoint(path, "escnmd")
    content = torch.load(path, weights_only=False)
    for key, value in (("model", "os.system"), ("model", "fairchem.core.units.mlip_unit.utils.load_tasks")):
        hostile = copy.deepcopy(content)
        hostile.model_config["backbone"][key] = value
        torch.save(hostile, path)
        with pytest.raises(UnsafeDataError):
            dc_finetuning_model(str(path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sphere_channels": 16}, "its weights do not fit the model: .*size mismatch"),
        ({"num_layers": 1}, r"without a place: backbone\.blocks\.1"),
        ({"num_layers": 3}, r"missing: backbone\.blocks\.2"),
    ],
)
def test_arguments_that_do_not_fit_the_weights(path: Path, changes: dict[str, Any], message: str) -> None:
    write_checkpoint(path, "escnmd")
    with pytest.raises(UserError, match=f"(?s){message}"):
        dc_finetuning_model(str(path), heads=EFS, backbone=changes)
    assert dc_finetuning_model(str(path), backbone={"max_neighbors": 7}).backbone.max_neighbors == 7
    assert arguments("escnmd")["backbone"]["num_layers"] == 2
