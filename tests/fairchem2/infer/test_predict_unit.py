"""fairchem's predict unit never unpickles the file of a user."""

from __future__ import annotations

import copy
import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from ase import Atoms
from fairchem.core.calculate.ase_calculator import FAIRChemCalculator
from fairchem.core.units.mlip_unit import load_predict_unit

from ocp_dc.checkpoints.convert import convert_checkpoint
from ocp_dc.checkpoints.inference_checkpoint import InferenceCheckpoint, read_inference_checkpoint
from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.fairchem2.infer.checkpoint import write_inference_checkpoint
from ocp_dc.fairchem2.infer.predict_unit import check_model_classes, trusted_predict_unit

from tests.helpers.atomic_batches import ethanol

OLD_RUN = Path(__file__).parents[2] / "old_runs" / "0.1.0" / "schnet" / "best_checkpoint.pt"


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    convert_checkpoint(OLD_RUN, tmp_path / "converted.pt")
    return tmp_path / "converted.pt"


def energy(unit: Any) -> float:
    atoms: Atoms = ethanol()
    atoms.calc = FAIRChemCalculator(unit)
    return float(atoms.get_potential_energy())


def test_predictions_are_those_of_the_host(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = energy(load_predict_unit(str(converted), inference_settings="traineval", device="cpu"))
    load, read = torch.load, []

    def recorded(path: Any, **options: Any) -> Any:
        read.append((path, options))
        return load(path, **options)

    monkeypatch.setattr(torch, "load", recorded)
    unit = trusted_predict_unit(converted)
    assert energy(unit) == expected
    assert {options["weights_only"] for path, options in read if Path(path) == converted} == {True}
    copied = Path(read[-1][0])
    assert copied.exists()
    unit._load_model()  # as when it falls back to other settings
    unit.lazy_model_intialized = False
    assert energy(unit) == expected
    del unit
    gc.collect()
    assert not copied.parent.exists()


def changed(checkpoint: InferenceCheckpoint, place: str, value: Any) -> InferenceCheckpoint:
    config = copy.deepcopy(checkpoint.model_config)
    block, keys = config, place.split("/")
    for key in keys[:-1]:
        block = block[key]
    block[keys[-1]] = value
    return InferenceCheckpoint(config, checkpoint.tasks_config, checkpoint.model_state_dict, checkpoint.ema_state_dict)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("backbone/model", "fairchem.core.models.base.load_model_and_weights_from_checkpoint"),
        ("backbone/model", "fairchem.core.models.base.copy"),
        ("backbone/model", "fairchem.core.models.no_such_module.Model"),
        ("backbone/model", "ocp_dc.fairchem2.backbones.schnet.NoSuchBackbone"),
        ("backbone/model", "ocp_dc.fairchem2.infer.predict_unit.MLIPPredictUnit"),
        ("heads/efs/module", "fairchem.core.models.base.hydra"),
        ("heads/efs/module", "ocp_dc.fairchem2.infer.predict_unit.trusted_predict_unit"),
    ],
)
def test_names_in_the_packages_that_are_no_models(converted: Path, place: str, name: str) -> None:
    hostile = converted.with_name("hostile.pt")
    write_inference_checkpoint(changed(read_inference_checkpoint(converted), place, name), hostile)
    with pytest.raises(UnsafeDataError, match="is not a model of the installed fairchem or ocp_dc"):
        trusted_predict_unit(hostile)


def test_models_of_modules_that_the_user_trusts(converted: Path) -> None:
    checkpoint = changed(read_inference_checkpoint(converted), "heads/efs/module", "my_models.heads.Head")
    with pytest.raises(UnsafeDataError):
        check_model_classes(checkpoint, "here")
    check_model_classes(checkpoint, "here", ["my_models"])


def test_a_model_that_is_larger_than_its_file(converted: Path) -> None:
    checkpoint = changed(read_inference_checkpoint(converted), "backbone/hidden_channels", 10**7)
    hostile = converted.with_name("hostile.pt")
    write_inference_checkpoint(checkpoint, hostile)
    with pytest.raises(UserError, match=r"describes a model of more than [\d,]+ bytes"):
        trusted_predict_unit(hostile)
