"""Inference checkpoints are read as data, hostile files are refused, and fairchem reads those that are written."""

from __future__ import annotations

import copy
import os
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from fairchem.core.units.mlip_unit.api.inference import MLIPInferenceCheckpoint
from fairchem.core.units.mlip_unit.mlip_unit import convert_train_checkpoint_to_inference_checkpoint
from omegaconf import OmegaConf
from torch import nn

from ocp_dc.checkpoints.inference_checkpoint import read_inference_checkpoint, write_inference_checkpoint
from ocp_dc.core.errors import UnsafeDataError, UserError

UNIT, NORMALIZATION = "fairchem.core.units.mlip_unit.mlip_unit", "fairchem.core.modules.normalization"
MODEL: dict[str, Any] = {
    "_target_": "fairchem.core.models.base.HydraModel",
    "pass_through_head_outputs": True,
    "backbone": {"model": "fairchem.core.models.uma.escn_md.eSCNMDBackbone", "lmax": 2, "sizes": [1, 2.5, None, True]},
    "heads": {"efs": {"module": "fairchem.core.models.uma.escn_md.MLP_EFS_Head"}},
}
TASKS: list[dict[str, Any]] = [
    {
        "_target_": f"{UNIT}.Task",
        "name": "energy",
        "level": "system",
        "property": "energy",
        "out_spec": {"dim": [1], "dtype": "float32"},
        "normalizer": {"_target_": f"{NORMALIZATION}.normalizer.Normalizer", "mean": 0.0, "rmsd": 1.5},
        "element_references": {
            "_target_": f"{NORMALIZATION}.element_references.ElementReferences",
            "element_references": {"_target_": "torch.DoubleTensor", "_args_": [[0.0, -13.6]]},
        },
        "datasets": ["all"],
    }
]


def stock(path: Path, model: Any = MODEL, tasks: Any = TASKS, weights: Any = None, **fields: Any) -> Path:
    """Write a file as fairchem does, with the given configs."""
    weights = {"a.weight": torch.arange(3.0)} if weights is None else weights
    averages = {"n_averaged": torch.tensor(4), **{f"module.{name}": value + 1 for name, value in weights.items()}}
    content = {"model_config": model, "tasks_config": tasks, "model_state_dict": weights, "ema_state_dict": averages}
    torch.save(MLIPInferenceCheckpoint(**{**content, **fields}), path)
    return path


@pytest.mark.parametrize("as_config", [OmegaConf.create, copy.deepcopy], ids=["omegaconf", "plain"])
def test_reading_and_writing(tmp_path: Path, as_config: Callable[[Any], Any]) -> None:
    path = stock(tmp_path / "stock.pt", as_config(MODEL), as_config(TASKS))
    found = read_inference_checkpoint(path)
    assert (found.model_config, found.tasks_config) == (MODEL, TASKS)
    assert type(found.model_config["backbone"]["sizes"]) is list
    assert torch.equal(found.weights["a.weight"], torch.tensor([1.0, 2.0, 3.0]))
    write_inference_checkpoint(found, tmp_path / "ours.pt")
    stored = torch.load(tmp_path / "ours.pt", weights_only=False)
    assert type(stored) is MLIPInferenceCheckpoint
    assert (stored.model_config, stored.tasks_config) == (MODEL, TASKS)
    assert torch.equal(stored.model_state_dict["a.weight"], torch.arange(3.0))
    assert int(stored.ema_state_dict["n_averaged"]) == 4


def test_what_fairchem_makes_of_a_training_checkpoint(tmp_path: Path) -> None:
    """The configs there refer to the whole config of the run."""
    config = OmegaConf.create({"runner": {"train_eval_unit": {"model": MODEL, "tasks": TASKS}}, "job": {"seed": 0}})
    layer = nn.Linear(2, 3)
    averages = torch.optim.swa_utils.AveragedModel(layer)
    state = {"unit_state": {"model": layer.state_dict(), "ema": averages.state_dict()}, "config": config}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(state, checkpoint_id=tmp_path / "dcp", no_dist=True)
    convert_train_checkpoint_to_inference_checkpoint(str(tmp_path / "dcp"), str(tmp_path / "inference_ckpt.pt"))
    found = read_inference_checkpoint(tmp_path / "inference_ckpt.pt")
    assert (found.model_config, found.tasks_config) == (MODEL, TASKS)
    assert torch.equal(found.weights["weight"], layer.weight)


class _Runs:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path: Path, call: Any) -> None:
        self.path, self.call = path, call

    def __reduce__(self) -> Any:
        return self.call, (f"touch {self.path}",)


@pytest.mark.parametrize("call", [os.system, eval, exec, partial(partial, os.system)], ids=lambda call: str(call)[:20])
@pytest.mark.parametrize("field", ["model_config", "tasks_config", "model_state_dict", "ema_state_dict"])
def test_a_pickle_that_runs_code(tmp_path: Path, field: str, call: Any) -> None:
    path = stock(tmp_path / "hostile.pt", **{field: {"x": _Runs(tmp_path / "ran", call)}})
    with pytest.raises(UnsafeDataError, match=r"hostile\.pt: holds something other than tensors and plain values"):
        read_inference_checkpoint(path)
    assert not (tmp_path / "ran").exists()


NAMES = [
    ("_target_", "os.system"),
    ("_target_", "builtins.eval"),
    ("_target_", "subprocess.Popen"),
    ("_target_", "functools.partial"),
    ("_target_", "hydra.utils.get_method"),
    ("_target_", "hydra.utils.instantiate"),
    ("_target_", "torch.load"),
    ("_target_", "torch.hub.load"),
    ("_target_", f"{UNIT}.initialize_finetuning_model"),
    ("_target_", "fairchem.core.common.utils.load_model_and_weights_from_checkpoint"),
    ("_target_", f"{NORMALIZATION}.normalizer.create_normalizer"),
    ("_target_", ["os.system"]),
    ("backbone.model", "os.system"),
    ("backbone.model", "shutil.rmtree"),
    ("backbone.model", "fairchem.core.modelsx.evil.Model"),
    ("backbone.model", "fairchem.core.common.utils.load_model_and_weights_from_checkpoint"),
    ("backbone.act._target_", "builtins.exec"),
    ("heads.efs.module", "pickle.loads"),
    ("heads.efs.head_cls", "subprocess.run"),
    ("heads.efs.module", 3),
]


def changed(config: Any, place: str, value: Any) -> Any:
    """A copy of a config with one value changed."""
    new = copy.deepcopy(config)
    block, keys = new, place.split(".")
    for key in keys[:-1]:
        block = block.setdefault(key, {}) if isinstance(block, dict) else block[int(key)]
    block[keys[-1]] = value
    return new


@pytest.mark.parametrize(("place", "name"), NAMES)
def test_names_of_code_in_the_model(tmp_path: Path, place: str, name: Any) -> None:
    path = stock(tmp_path / "hostile.pt", changed(MODEL, place, name))
    with pytest.raises(UserError, match=r"is refused|names no model") as error:
        read_inference_checkpoint(path)
    assert "using it could run any code" in str(error.value) or not isinstance(name, str)


@pytest.mark.parametrize("key", ["_target_", "normalizer._target_", "loss_fn._target_", "metrics.0._target_"])
@pytest.mark.parametrize("name", ["os.system", "functools.partial", "hydra.utils.call"])
def test_names_of_code_in_a_task(tmp_path: Path, key: str, name: str) -> None:
    tasks = [{**TASKS[0], "metrics": [{}]}]
    path = stock(tmp_path / "hostile.pt", tasks=changed(tasks, f"0.{key}", name))
    with pytest.raises(UnsafeDataError, match=rf"names '{name}' as tasks\.0\.{key}"):
        read_inference_checkpoint(path)


def test_modules_that_the_user_trusts(tmp_path: Path) -> None:
    path = stock(tmp_path / "own.pt", changed(MODEL, "backbone.model", "my_models.pair.PairNet"))
    with pytest.raises(UnsafeDataError, match=r"allow it: --trust-module my_models\.pair"):
        read_inference_checkpoint(path)
    assert read_inference_checkpoint(path, ["my_models"]).model_config["backbone"]["model"] == "my_models.pair.PairNet"
    with pytest.raises(UnsafeDataError):
        read_inference_checkpoint(path, ["my_model"])
    with pytest.raises(UserError, match="expected a list"):
        read_inference_checkpoint(path, "my_models")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("backbone.path", "${oc.env:HOME}", r"interpolation '\$\{oc\.env:HOME\}'"),
        ("finetune_config", {"starting_checkpoint": "x.pt"}, "finetune_config, which names a file"),
        ("backbone.finetune_config", {"starting_checkpoint": "x.pt"}, "finetune_config, which names a file"),
        ("backbone.sizes", torch.ones(2), "model_config holds a Tensor"),
        ("backbone.sizes", {(1, 2): 3}, "key of type tuple"),
    ],
)
def test_other_values_in_a_config(tmp_path: Path, place: str, value: Any, words: str) -> None:
    with pytest.raises(UnsafeDataError, match=words):
        read_inference_checkpoint(stock(tmp_path / "hostile.pt", changed(MODEL, place, value)))


@pytest.mark.parametrize("arguments", [[10**12], [[1.0], [2.0]], [[0.0] * 2000], [["os.system"]], [[[1.0] * 2] * 2]])
def test_huge_tensors_in_a_config(tmp_path: Path, arguments: list[Any]) -> None:
    place = "0.element_references.element_references._args_"
    with pytest.raises(UnsafeDataError, match="one list of at most 1000 numbers"):
        read_inference_checkpoint(stock(tmp_path / "hostile.pt", tasks=changed(TASKS, place, arguments)))


def test_a_config_that_holds_itself(tmp_path: Path) -> None:
    model = copy.deepcopy(MODEL)
    model["backbone"]["self"] = model
    with pytest.raises(UserError, match="more than 50 levels"):
        read_inference_checkpoint(stock(tmp_path / "hostile.pt", model))


def test_truncated(tmp_path: Path) -> None:
    path = stock(tmp_path / "whole.pt")
    content = path.read_bytes()
    for length in (4, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match="truncated or damaged"):
            read_inference_checkpoint(path)


def test_more_content_than_bytes(tmp_path: Path) -> None:
    path = stock(tmp_path / "whole.pt", weights={"a.weight": torch.zeros(10**6)})
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in whole.infolist():
            bomb.writestr(entry.filename, whole.read(entry))
    with pytest.raises(UserError, match="declares more content than it has bytes"):
        read_inference_checkpoint(tmp_path / "bomb.pt")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"weights": {"a.weight": torch.tensor([1.0, torch.nan])}}, r"a\.weight is not finite"),
        ({"weights": {"a.weight": torch.tensor([1e20])}}, r"a\.weight reaches 1e\+20"),
        ({"ema_state_dict": None}, "holds no averaged weights"),
        ({"ema_state_dict": {"module.a": 3}}, "something other than tensors by name"),
        ({"model": [MODEL]}, "names no model"),
        ({"tasks": {"energy": TASKS[0]}}, "not a list of tasks"),
        ({"tasks": changed(TASKS, "0.normalizer.rmsd", 0.0)}, r"normalizer\.rmsd is 0\.0"),
        ({"tasks": changed(TASKS, "0.normalizer.mean", float("nan"))}, r"normalizer\.mean is nan"),
    ],
)
def test_damaged_content(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_inference_checkpoint(stock(tmp_path / "damaged.pt", **fields))


def test_other_files(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "config": {"model": "schnet"}}, tmp_path / "old.pt")
    with pytest.raises(UserError, match=r"checkpoint of fairchem 1; `ocp-dc convert \S+old\.pt OUT\.pt`"):
        read_inference_checkpoint(tmp_path / "old.pt")
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="expected an inference checkpoint of fairchem 2"):
        read_inference_checkpoint(tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"is a folder, expected a file such as \S+inference_ckpt\.pt"):
        read_inference_checkpoint(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        read_inference_checkpoint(tmp_path / "missing.pt")
