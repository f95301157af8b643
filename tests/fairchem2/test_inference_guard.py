"""No mode of inference brings stock layers back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ase import Atoms
from fairchem.core.calculate import FAIRChemCalculator
from fairchem.core.calculate.pretrained_mlip import load_predict_unit
from fairchem.core.models.uma.nn.execution_backends import ExecutionBackend, UMASFastPytorchBackend
from fairchem.core.units.mlip_unit.api.inference import InferenceSettings

from ocp_dc.core.errors import UserError

from tests.helpers.fairchem2_hydras import batch, kinds, structures, write_checkpoint

FULL = {"region": "full", "denormalize": "all"}
MODES = ("traineval", "batch", "default")  # on a CPU, the default is multigpu
FAST = InferenceSettings(merge_mole=True, activation_checkpointing=False, execution_mode="umas_fast_pytorch")


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modes that compile run the same modules eagerly; a compilation takes minutes."""
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)


def energy_and_model(path: Path, mode: str | InferenceSettings) -> tuple[float, Any]:
    unit = load_predict_unit(path, device="cpu", inference_settings=mode)
    atoms: Atoms = structures()[0]
    atoms.calc = FAIRChemCalculator(unit, task_name="data")
    energy = atoms.get_potential_energy()
    assert abs(atoms.get_forces()).max() > 0
    return energy, unit.model.module


@pytest.mark.usefixtures("without_compiler")
@pytest.mark.parametrize(
    ("name", "dc"),
    [
        ("escnmd", {"region": "output"}),
        ("escnmd", FULL),
        ("uma", {"region": "output"}),
        ("uma", FULL),
        ("escaip", FULL),
        ("allscaip", FULL),
    ],
    ids=lambda value: value if isinstance(value, str) else value["region"],
)
def test_energies_are_those_of_the_model(tmp_path: Path, name: str, dc: dict[str, Any]) -> None:
    model = write_checkpoint(tmp_path / "model.pt", name, dc)
    expected = float(model.eval()(batch(molecules=structures()[:1]))["energy"]["energy"].detach())
    before = kinds(model, "IReLU", "RemovedNorm")
    for mode in (*MODES, FAST):
        energy, prepared = energy_and_model(tmp_path / "model.pt", mode)
        assert energy == pytest.approx(expected, rel=2e-5, abs=2e-6), mode
        assert kinds(prepared, "IReLU", "RemovedNorm") == before, mode


@pytest.mark.usefixtures("without_compiler")
def test_experts_are_merged_where_only_the_heads_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for region, merged in (("output", True), ("full", False)):
        write_checkpoint(tmp_path / "model.pt", "uma", {"region": region})
        _, prepared = energy_and_model(tmp_path / "model.pt", "default")
        assert (kinds(prepared, "MOLE") == {}) is merged
        assert ("merging its experts would bring the stock layers back" in caplog.text) is not merged


def test_fast_kernels_stay_where_only_the_heads_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for region, kernels in (("output", UMASFastPytorchBackend), ("full", ExecutionBackend)):
        write_checkpoint(tmp_path / "model.pt", "escnmd", {"region": region})
        _, prepared = energy_and_model(tmp_path / "model.pt", FAST)
        assert {type(part.backend) for part in prepared.modules() if hasattr(part, "backend")} == {kernels}
    assert "the general kernels are used instead" in caplog.text


def test_turbo_is_gone(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model.pt", "escnmd", {"region": "output"})
    with pytest.raises(ValueError, match="no longer available"):
        load_predict_unit(tmp_path / "model.pt", device="cpu", inference_settings="turbo")


@pytest.mark.parametrize("name", ["escaip", "allscaip"])
def test_scaips_compute_in_float32(tmp_path: Path, name: str) -> None:
    model = write_checkpoint(tmp_path / "model.pt", name)
    with pytest.raises(UserError, match=r"AIPBackbone computes in torch\.float32 only.* got torch\.float64"):
        load_predict_unit(
            tmp_path / "model.pt", device="cpu", inference_settings=InferenceSettings(base_precision_dtype="float64")
        )
    with pytest.raises(UserError, match=r"computes in torch\.float32 only"):
        model(batch(torch.float64))
