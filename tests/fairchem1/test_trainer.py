"""The trainer: what a run leaves behind, physical units, one constant C, and the stops."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import yaml
from ase import Atoms

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.testing.tolerances import FLOAT32_LABEL

from tests.helpers.runs import Run, run_main

from fairchem.core.datasets.lmdb_dataset import LmdbDataset  # isort: skip  # after the hooks, which let it import


def evaluate(run: Run, data, out, checkpoint: str = "best_checkpoint.pt") -> dict[str, float]:
    assert main(["evaluate", str(run.checkpoint(checkpoint)), str(data), "--out", str(out), "--cpu"]) == 0
    return json.loads((out / "evaluation.json").read_text())


def test_leaves_config_surgery_validations_and_test(trained, ethanol, tmp_path):
    config = yaml.safe_load(trained.result("config.yml").read_text())
    assert config["trainer"] == "ocp_dc.fairchem1.trainer.DCTrainer"
    assert config["model"]["name"] == "ocp_dc.fairchem1.wrappers.schnet.DCSchNet"
    assert trained.json("surgery.json")["counts"] == {
        "swapped": 1,
        "swapped_elsewhere": 4,
        "norms_removed": 0,
        "insertions": 0,
        "unchanged": 0,
        "kept": 0,
    }
    rows = trained.validations()
    assert [row["step"] for row in rows] == ["4", "8"]
    assert {"energy_mae [eV]", "energy_per_atom_mae [eV]", "forces_mae [eV/Å]"} <= set(rows[0])
    test = trained.json("test.json")
    assert test["checkpoint"] == "best_checkpoint.pt"
    assert test["units"]["forces_mae"] == "eV/Å"
    measured = evaluate(trained, ethanol / "test", tmp_path / "evaluation")
    relative, absolute = FLOAT32_LABEL
    assert test["energy_mae"] == pytest.approx(measured["energy_mae"], rel=relative, abs=absolute)
    assert test["forces_mae"] == pytest.approx(measured["forces_mae"], rel=relative, abs=absolute)


def test_the_terms_of_the_training_loss_and_what_a_step_costs(trained):
    for row in trained.validations():
        terms = float(row["train_loss_energy"]) + float(row["train_loss_forces"])
        assert terms == pytest.approx(float(row["train_loss"]), rel=1e-6)
        assert float(row["step_time [s]"]) > 0
        assert float(row["peak_memory [MiB]"]) > 0


def test_leaves_where_it_ran_and_what_it_began_with(trained, tmp_path, small_config):
    """Another arm of the same seed begins with the same weights, another seed does not."""
    assert trained.json("environment.json")["torch"] == torch.__version__
    start = trained.json("initial_weights.json")["parameters"]
    assert set(start) >= set(_parameters(trained.load()))  # SchNet has some under two names
    optim = {"max_epochs": 1}
    stock = run_main(tmp_path, small_config(model={"name": "schnet"}, optim=optim))
    other = run_main(tmp_path, small_config(optim=optim), "--seed", "1")
    assert stock.json("initial_weights.json")["parameters"] == start
    assert other.json("initial_weights.json")["parameters"]["lin1.weight"] != start["lin1.weight"]
    again = run_main(tmp_path, small_config(optim=optim), "--checkpoint", str(stock.checkpoint()))
    assert not again.result("initial_weights.json").exists()  # it begins with the checkpoint's


def test_logged_errors_are_physical(trained, ethanol, tmp_path):
    """The last row of the CSV is what an independent evaluation of the same weights gives, in eV."""
    measured = evaluate(trained, ethanol / "val", tmp_path / "evaluation", "checkpoint.pt")
    row = trained.validations()[-1]
    relative, absolute = FLOAT32_LABEL
    assert float(row["energy_mae [eV]"]) == pytest.approx(measured["energy_mae"], rel=relative, abs=absolute)
    assert float(row["energy_per_atom_mae [eV]"]) == pytest.approx(measured["energy_mae"] / 9, rel=1e-4)
    assert float(row["forces_mae [eV/Å]"]) == pytest.approx(measured["forces_mae"], rel=relative, abs=absolute)


def test_a_model_with_constant_c_equals_its_twin_with_c_of_one(trained, ethanol, tmp_path, small_config):
    """Multiplying the last linear layer by C and setting C to 1 is the same model."""
    state = trained.load("best_checkpoint.pt")
    scale = state["label_rescaling"]["scale"]
    for parameter in ("lin2.weight", "lin2.bias"):
        state["state_dict"][parameter] = state["state_dict"][parameter] * scale
    state["label_rescaling"] = {**state["label_rescaling"], "scale": 1.0}
    twin = Run(0, tmp_path, "twin")
    twin.checkpoint().parent.mkdir(parents=True)
    torch.save(state, twin.checkpoint("best_checkpoint.pt"))
    first = evaluate(trained, ethanol / "test", tmp_path / "first")
    second = evaluate(twin, ethanol / "test", tmp_path / "second")
    relative, absolute = FLOAT32_LABEL
    for key, value in first.items():
        if key not in ("units", "sha256"):
            assert second[key] == pytest.approx(value, rel=10 * relative, abs=absolute), key
    config = small_config(model={"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}})
    files = []
    for index, run in enumerate((trained, twin)):
        done = run_main(tmp_path, config, "--checkpoint", str(run.checkpoint("best_checkpoint.pt")), mode="predict")
        assert done.status == 0, index
        files.append(np.load(done.result("ocp_predictions.npz")))
    for key in ("energy", "forces"):
        assert files[0][key].dtype in (np.float32, np.float64)
        np.testing.assert_allclose(files[0][key], files[1][key], rtol=10 * relative, atol=absolute)


def test_the_checkpoint_wins_over_the_config(trained, ethanol, tmp_path, small_config):
    """Neither another C nor another center in the config changes a prediction; no training data are needed."""
    predictions = []
    for block in ({"center": "composition", "scale": "forces_rms"}, {"center": "none", "scale": "1e6 kcal/mol"}):
        config = small_config(
            model={"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}}, optim={"ema_decay": 0.9}
        )
        config["dataset"]["train"] = {**config["dataset"]["train"], "transforms": {"label_rescaling": block}}
        config["dataset"]["train"]["src"] = str(tmp_path / "gone")
        checkpoint = str(trained.checkpoint("best_checkpoint.pt"))
        run = run_main(tmp_path, config, "--checkpoint", checkpoint, mode="predict")
        assert run.status == 0
        predictions.append(np.load(run.result("ocp_predictions.npz")))
        assert run_main(tmp_path, config, "--checkpoint", checkpoint, mode="validate").status == 0
    for key in ("energy", "forces", "ids"):
        np.testing.assert_array_equal(predictions[0][key], predictions[1][key])
    assert abs(predictions[0]["energy"].mean()) > 100  # eV: total energies and not centered ones


def test_stops_at_the_first_value_that_is_not_finite(tmp_path, small_config, capsys):
    """Weights that overflow: the run ends with a status, and says step, term and checkpoint."""
    config = small_config(model={"dc": {"activation": "irelu", "region": "full"}}, optim={"lr_initial": 1.0e3})
    run = run_main(tmp_path, config, "--optim.max_epochs=20", "--optim.checkpoint_every=1")
    assert run.status == 1
    message = capsys.readouterr().err
    assert "diverged at step" in message
    assert "energy loss" in message or "forces loss" in message or "gradient" in message
    assert str(run.checkpoint()) in message
    assert all(bool(value.isfinite().all()) for value in run.load()["state_dict"].values())


def test_stops_early(tmp_path, small_config):
    optim = {"lr_initial": 1e-30, "max_epochs": 20, "early_stopping_patience": 2, "checkpoint_every": 1000}
    for _ in range(2):  # the second time the run is at its end
        assert run_main(tmp_path, small_config(optim=optim), "--timestamp-id=early").status == 0
        run = Run(0, tmp_path, "early")
        assert len(run.validations()) == 3  # the first one is the best, two without an improvement follow
        assert run.load()["step"] == 3 * 4


def test_one_cycle_lasts_as_long_as_the_training(trained):
    scheduler = trained.load()["scheduler"]
    assert scheduler["total_steps"] == 8
    assert float(trained.validations()[-1]["learning_rate"]) < 1e-6


def test_the_best_weights_are_the_averaged_ones(trained):
    """With EMA on, the best checkpoint of the last validation holds the shadow parameters."""
    last, best = trained.load(), trained.load("best_checkpoint.pt")
    assert last["best_val_metric"] == pytest.approx(min(float(row["loss"]) for row in trained.validations()))
    names = [name for name in last["state_dict"] if "conv.nn" not in name]
    shadows = dict(zip((n for n in names if n in _parameters(last)), last["ema"]["shadow_params"], strict=False))
    assert last["best_val_metric"] == float(trained.validations()[-1]["loss"])  # this run improves to its end
    assert torch.equal(best["state_dict"]["lin2.bias"], shadows["lin2.bias"])
    assert not torch.equal(last["state_dict"]["lin1.weight"], best["state_dict"]["lin1.weight"])


def _parameters(checkpoint):
    from ocp_dc.fairchem1.infer.inspect_model import build_model

    return dict(build_model(checkpoint["config"]["model"]).named_parameters())


def test_a_stock_model_trains_like_under_fairchems_trainer(tmp_path, small_config):
    """Without rescaling, schedule details or dc, the trainer is fairchem's: the same weights after two epochs."""
    dataset = small_config()["dataset"]
    train = {key: value for key, value in dataset["train"].items() if key != "transforms"}
    config = small_config(model={"name": "schnet"}, dataset={"train": train})
    config["evaluation_metrics"] = {"metrics": {"energy": ["mae"], "forces": ["mae"]}, "primary_metric": "forces_mae"}
    ours = run_main(tmp_path, config)
    config["trainer"] = "ocp"
    theirs = run_main(tmp_path, config)
    assert ours.status == theirs.status == 0
    expected = {name.removeprefix("module."): value for name, value in theirs.load()["state_dict"].items()}
    for name, value in ours.load()["state_dict"].items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)


def test_relaxations(tmp_path, small_config, trained, ethanol):
    config = small_config(model={"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}})
    config["dataset"]["relax"] = {"src": str(ethanol / "test")}
    config["task"] = {"relaxation_steps": 3, "relaxation_fmax": 0.05, "relax_opt": {"traj_dir": str(tmp_path / "traj")}}
    checkpoint = str(trained.checkpoint("best_checkpoint.pt"))
    run = run_main(tmp_path, config, "--checkpoint", checkpoint, mode="run-relaxations")
    assert run.status == 0
    assert len(list((tmp_path / "traj").glob("*.traj"))) == 10
    config["task"] |= {"relaxation_steps": 1, "relax_opt": {}}
    first = run_main(tmp_path, config, "--checkpoint", checkpoint, mode="run-relaxations")
    with np.load(run.result("relaxed_positions.npz")) as after, np.load(first.result("relaxed_positions.npz")) as file:
        relaxed, moved = (dict(zip(each["ids"], each["pos"].reshape(-1, 9, 3), strict=True)) for each in (after, file))
    starts = LmdbDataset({"src": str(ethanol / "test")})
    calculator = ocp_dc.calculator(checkpoint, cpu=True)
    assert len(relaxed) == len(moved) == len(starts) == 10
    for start in (starts[index] for index in range(10)):
        atoms = Atoms(start.atomic_numbers.int(), start.pos, calculator=calculator)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        # the first step of fairchem's L-BFGS: down the forces, with its damping and its first curvature
        step = forces * 1.2 / 100.0
        assert 1e-3 < np.linalg.norm(step, axis=1).max() < 1.2 * 0.02  # its longest step
        name = str(start.sid)
        np.testing.assert_allclose(moved[name] - start.pos.numpy(), step, rtol=0, atol=2e-6)
        atoms.positions = moved[name]
        assert atoms.get_potential_energy() < energy
        assert 1e-3 < np.linalg.norm(relaxed[name] - moved[name], axis=1).max() < 2 * 1.2 * 0.0201


def test_the_saved_config_runs_again(trained, tmp_path):
    """results/ID/config.yml is a config for main, and gives the same weights."""
    path = str(trained.result("config.yml"))
    fixed = ["main", "--mode", "train", "--cpu", "--run-dir", str(tmp_path), "--timestamp-id", "again"]
    assert main([*fixed, "--config-yml", path]) == 0
    again = Run(0, tmp_path, "again").load()["state_dict"]
    assert all(torch.equal(value, again[name]) for name, value in trained.load()["state_dict"].items())


def test_the_spelling_of_the_block_does_not_matter(trained, tmp_path, small_config):
    """Another order of keys, defaults written out: it is the same model."""
    block = {"elsewhere": {"name": "mish"}, "region": "output", "activation": {"coefficient": 0.5, "name": "irelu"}}
    config = small_config(model={"dc": block})
    checkpoint = str(trained.checkpoint("best_checkpoint.pt"))
    assert run_main(tmp_path, config, "--checkpoint", checkpoint, mode="predict").status == 0


def test_a_longer_training_says_that_its_schedule_has_ended(trained, tmp_path, small_config, caplog):
    config = small_config(
        model={"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}},
        optim={"scheduler": "OneCycleLR", "ema_decay": 0.9, "max_epochs": 3},
    )
    assert run_main(tmp_path, config, "--checkpoint", str(trained.checkpoint())).status == 0
    assert "the schedule of the checkpoint lasts 8 steps, that of the config 12" in caplog.text


@pytest.mark.filterwarnings("ignore:Use of 'stdev':DeprecationWarning")  # fairchem's; runs write it to their log
def test_a_normalizer_gives_way_to_the_checkpoints_rescaling(trained, tmp_path, small_config, caplog):
    """Labels are scaled once: the loss is that of the rescaled labels."""
    config = small_config(model={"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}})
    normalizer = {name: {"mean": 5.0, "stdev": 2.0} for name in ("energy", "forces")}
    config["dataset"]["train"] = {**config["dataset"]["train"], "transforms": {"normalizer": normalizer}}
    checkpoint = str(trained.checkpoint("best_checkpoint.pt"))
    assert run_main(tmp_path, config, "--checkpoint", checkpoint, "--optim.max_epochs=1").status == 0
    assert "the config's normalizers of energy are ignored" in caplog.text


def test_only_energy_and_its_derivatives_are_rescaled(trained):
    """Another target's normalizer is undone as ever."""
    from fairchem.core.modules.normalization.normalizer import Normalizer

    from ocp_dc.fairchem1.infer.inference import load_trainer

    trainer = load_trainer(trained.checkpoint("best_checkpoint.pt"), cpu=True)
    trainer.normalizers["dipole"] = Normalizer(mean=1.0, rmsd=5.0)
    assert trainer._denorm_preds("dipole", torch.ones(1, 9), None).tolist() == [[6.0] * 9]


def test_a_preempted_job_goes_on_from_a_whole_step(trained):
    """Whatever the process was in the middle of, nothing is saved then."""
    from types import SimpleNamespace

    from ocp_dc.fairchem1.train.runner import Runner

    runner = Runner()
    runner.submitted = {"submit": True, "checkpoint": None, "timestamp_id": None}
    saved = lambda **_: pytest.fail("saved in the middle of a step")  # noqa: E731
    runner.trainer = SimpleNamespace(timestamp_id="job", set_label_rescaling=None, save=saved)
    runner.task = SimpleNamespace(chkpt_path=str(trained.checkpoint()))
    job = runner.checkpoint()
    assert isinstance(job.function, Runner)
    assert job.args == ({"submit": True, "checkpoint": str(trained.checkpoint()), "timestamp_id": "job"},)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu(tmp_path, small_config, ethanol):
    """Trains there, and its checkpoint gives the same errors on both devices."""
    config = small_config(model={"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}})
    run = run_main(tmp_path, config, cpu=False)
    assert run.status == 0
    on_cpu = evaluate(run, ethanol / "test", tmp_path / "cpu")
    checkpoint = str(run.checkpoint("best_checkpoint.pt"))
    assert main(["evaluate", checkpoint, str(ethanol / "test"), "--out", str(tmp_path / "gpu")]) == 0
    on_gpu = json.loads((tmp_path / "gpu" / "evaluation.json").read_text())
    assert on_gpu["forces_mae"] == pytest.approx(on_cpu["forces_mae"], rel=1e-3)
