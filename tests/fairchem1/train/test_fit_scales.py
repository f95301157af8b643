"""Scale factors: the fit against its definition and against fairchem's own, the files, and runs that use them."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from fairchem.core.common.relaxation.ase_utils import OCPCalculator
from fairchem.core.models.gemnet.gemnet import GemNetT
from fairchem.core.modules.scaling import fit as stock_fit
from fairchem.core.modules.scaling.util import ensure_fitted as stock_ensure_fitted

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.data.sample import sample_path
from ocp_dc.fairchem1 import main as fairchem_main
from ocp_dc.fairchem1.infer.inspect_model import build_model
from ocp_dc.fairchem1.train import fit_scales, scale_factors
from ocp_dc.testing.tolerances import FLOAT32_LABEL, ROUNDING

from tests.helpers.runs import GEMNET, Run, run_main

DC = {"activation": {"name": "irelu", "coefficient": 0.25}, "region": "output", "elsewhere": "silu"}
BATCHES = 3
FACTORS = 2 * 3 + 3  # in each interaction block three, in each output block one


@pytest.fixture(scope="module")
def config(small_config) -> dict[str, Any]:
    made = small_config(optim={"max_epochs": 1, "scheduler": "OneCycleLR", "ema_decay": 0.9})
    return {**made, "model": {**GEMNET, "dc": DC}}


@pytest.fixture(scope="module")
def config_file(config, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "gemnet.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def scale_file(config_file) -> Path:
    out = config_file.with_name("scales.json")
    assert main(["fit-scales", str(config_file), "--out", str(out), "--batches", str(BATCHES), "--cpu"]) == 0
    return out


@pytest.fixture(scope="module")
def run(config, scale_file) -> Run:
    """A training with fitted factors, whose file is gone afterwards."""
    borrowed = scale_file.with_name("borrowed.json")
    borrowed.write_text(scale_file.read_text())
    done = run_main(scale_file.parent, config, f"--model.scale_file={borrowed}")
    assert done.status == 0
    borrowed.unlink()
    return done


def values(path: Path) -> dict[str, float]:
    return {name: value for name, value in json.loads(path.read_text()).items() if name != "comment"}


# ---- the fit ----


def test_brings_every_variance_to_its_reference(config_file, scale_file):
    """Recomputed from the tensors that pass through each factor, with the file's values in the model."""
    config = _resolved(config_file)
    config["model"]["dc"]["accelerate"] = "off"  # the native model does not call the modules of the factors
    trainer = fit_scales.make_trainer(config, cpu=True)
    scale_factors.set_scale_factors(trainer.model, values(scale_file))
    trainer.model.eval()
    seen: dict[str, list[tuple[float, ...]]] = {}

    def record(name: str):
        def hook(_, inputs, keywords, output):
            variances = (
                output.detach().double().var(dim=0).mean(),
                keywords["ref"].detach().double().var(dim=0).mean(),
            )
            seen.setdefault(name, []).append((*map(float, variances), len(output)))

        return hook

    for name, factor in scale_factors.scale_factors(trainer.model).items():
        factor.register_forward_hook(record(name), with_kwargs=True)
    for _, batch in zip(range(BATCHES), trainer.train_loader, strict=False):
        trainer.model(batch)
    assert len(seen) == FACTORS
    for name, rows in seen.items():
        out, reference, weights = np.array(rows).T
        assert np.average(out, weights=weights) == pytest.approx(np.average(reference, weights=weights), rel=1e-4), name


def test_is_fairchems_fit(config, config_file, scale_file, tmp_path, monkeypatch):
    """The same numbers as its script, which asks nothing where there is nothing to overwrite."""
    resolved = _resolved(config_file)
    resolved["dataset"]["train"].pop("transforms")
    monkeypatch.setattr("builtins.input", lambda _: pytest.fail("a prompt"))
    resolved |= {
        "checkpoint": str(tmp_path / "scales.pt"),
        "run_dir": str(tmp_path),
        "cpu": True,
        "distributed_backend": "gloo",
    }
    stock_fit.compute_scaling_factors(resolved, num_batches=BATCHES)
    by_path = torch.load(tmp_path / "scales.pt", weights_only=True)
    names = {path: name for name, path in _paths(build_model(config["model"])).items()}
    theirs = {names[path]: float(value) for path, value in by_path.items()}
    relative, _ = ROUNDING[torch.float32]
    assert theirs == pytest.approx(values(scale_file), rel=relative)


def _resolved(config_file: Path) -> dict[str, Any]:
    return fairchem_main.resolve(*fairchem_main.parse(["--mode", "train", "--config-yml", str(config_file)]))


def _paths(model: torch.nn.Module) -> dict[str, str]:
    by_object = {id(part): path for path, part in model.named_modules()}
    return {name: by_object[id(factor)] for name, factor in scale_factors.scale_factors(model).items()}


def test_factors_depend_on_the_activations_before_them(config_file, scale_file, tmp_path):
    """IReLU in the output blocks comes after every factor; inside the interactions it changes them."""

    def fitted(*overrides: str) -> dict[str, float]:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        found = fit_scales.fit_config(str(config_file), out, overrides, batches=BATCHES, cpu=True)
        assert [each.name for each in found] == list(values(out))
        return values(out)

    assert fitted() == values(scale_file)  # the same seed
    assert fitted("--seed=1") != values(scale_file)
    assert fitted("--model.dc.activation=mish") == values(scale_file)
    assert fitted("--model.dc.elsewhere=mish") != values(scale_file)


def test_ignores_factors_that_the_config_names(config_file, scale_file, tmp_path):
    out = tmp_path / "again.json"
    fit_scales.fit_config(str(config_file), out, [f"--model.scale_file={scale_file}"], batches=BATCHES, cpu=True)
    assert values(out) == values(scale_file)


# ---- mistakes ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "FILE"], "exists"),
        (["--out", "new.txt"], r"ends in \.json"),
        (["--out", "NEW", "--batches", "0"], "--batches: got 0"),
        (["--out", "NEW", "--dataset.train.src=/no/such"], "no such file or folder"),
        (["--out", "NEW", "--model.num_block=2"], "Did you mean 'num_blocks'"),
        (["--out", "NEW", "--model.dc.region=full", "--model.dc.activation.coefficient=1.0e-30"], "vanish"),
    ],
)
def test_mistakes(config_file, scale_file, tmp_path, capsys, arguments, message):
    before, new = scale_file.read_text(), tmp_path / "new.json"
    arguments = [{"FILE": str(scale_file), "NEW": str(new)}.get(word, word) for word in arguments]
    assert main(["fit-scales", str(config_file), "--cpu", *arguments]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert scale_file.read_text() == before
    assert not new.exists()


@pytest.mark.parametrize("content", ["", '{"comment": {"model"'])
def test_a_file_that_a_kill_cut_off_is_made_again(config_file, scale_file, tmp_path, content):
    out = tmp_path / "scales.json"
    out.write_text(content)
    others = ["--dataset.val.src=/no/such", "--dataset.test.src=/no/such"]  # no part of a fit
    assert main(["fit-scales", str(config_file), "--out", str(out), "--batches", str(BATCHES), "--cpu", *others]) == 0
    assert out.read_text() == scale_file.read_text()


def test_a_changed_digit_is_no_factor(config, scale_file, tmp_path):
    path, content = tmp_path / "scales.json", json.loads(scale_file.read_text())
    content["OutBlock_0_sum"] *= 10
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"damaged or edited; fit again.*remove comment\.sha256"):
        build_model({**config["model"], "scale_file": str(path)})
    del content["comment"]["sha256"]
    path.write_text(json.dumps(content))
    assert build_model({**config["model"], "scale_file": str(path)})


def test_a_model_without_factors(small_config, tmp_path, capsys):
    path = tmp_path / "schnet.yml"
    path.write_text(yaml.safe_dump(small_config()))
    assert main(["fit-scales", str(path), "--out", str(tmp_path / "scales.json"), "--cpu"]) == 2
    assert "has no scale factors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("not json", "fit-scales"),
        ('{"OutBlock_0_sum": 1.0}', r"lacks AtomUpdate_1_sum.*fit-scales"),
        ('{"OutBlock_0_sum": "one"}', "fit-scales"),
    ],
)
def test_a_bad_scale_file(config, tmp_path, capsys, content, message):
    path = tmp_path / "scales.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        build_model({**config["model"], "scale_file": str(path)})
    assert run_main(tmp_path, config, f"--model.scale_file={path}").status == 2
    assert "error: model.scale_file" in capsys.readouterr().err


def test_factors_of_another_size(config, scale_file, caplog):
    with pytest.raises(UserError, match=r"lacks AtomUpdate_3_sum, .* of the 13 scale factors of DCGemNetT"):
        build_model({**config["model"], "num_blocks": 3, "scale_file": str(scale_file)})
    model = build_model({**config["model"], "num_blocks": 1, "scale_file": str(scale_file)})
    assert "DCGemNetT has no AtomUpdate_2_sum, OutBlock_2_sum" in caplog.text
    stock_ensure_fitted(model)


def test_factors_of_other_activations_are_warned_about(config, scale_file, caplog):
    block = {**config["model"], "scale_file": str(scale_file)}
    with caplog.at_level(logging.WARNING):
        build_model(block)
        build_model({**block, "dc": {**DC, "activation": "mish"}})  # in the output blocks, after every factor
        assert caplog.text == ""
        build_model({**block, "dc": {"activation": "irelu", "region": "full"}})
    assert "was fitted for dc: {'activation': {'coefficient': 0.25" in caplog.text.replace('"', "'")


# ---- use ----


def test_fairchem_reads_the_file(config, scale_file):
    """Under fairchem's own trainer the stock constructor loads it."""
    arguments = {key: value for key, value in config["model"].items() if key not in ("name", "dc")}
    model = GemNetT(**arguments, scale_file=str(scale_file))
    assert {name: float(f.scale_factor) for name, f in scale_factors.scale_factors(model).items()} == pytest.approx(
        values(scale_file)
    )
    stock_ensure_fitted(model)


def test_checkpoints_hold_the_factors(run, scale_file, config):
    for file in ("checkpoint.pt", "best_checkpoint.pt"):
        checkpoint = run.load(file)
        assert checkpoint["config"]["model"]["scale_file"] == values(scale_file)
        for name, path in _paths(build_model(config["model"])).items():
            value = float(checkpoint["state_dict"][f"{path}.scale_factor"])
            assert value == pytest.approx(values(scale_file)[name]), name


@pytest.mark.parametrize("file", ["checkpoint.pt", "best_checkpoint.pt"])
def test_calculators_need_no_scale_file(run, ethanol, tmp_path, file):
    """Its file is gone, and both calculators agree with `--mode validate` on the same checkpoint."""
    arrays = np.load(sample_path())
    index = np.load(ethanol / "split.npz")["test"][0]
    atoms = Atoms(numbers=arrays["nuclear_charges"], positions=arrays["coords"][index])
    results = []
    for calculator in (
        ocp_dc.calculator(run.checkpoint(file), cpu=True),
        OCPCalculator(checkpoint_path=run.checkpoint(file)),
    ):
        atoms.calc = calculator
        results.append((atoms.get_potential_energy(), atoms.get_forces()))
        atoms.calc = None
    relative, absolute = FLOAT32_LABEL
    assert results[0][0] == pytest.approx(results[1][0], rel=relative, abs=absolute)
    if file == "best_checkpoint.pt":  # the other holds raw weights, which fairchem's calculator takes
        np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=absolute)


def test_the_checkpoints_factors_win(run, config, scale_file, tmp_path):
    """Predicting with a config that names other factors, or none, is predicting with the checkpoint's."""
    other = tmp_path / "other.json"
    other.write_text(json.dumps({name: 2 * value for name, value in values(scale_file).items()}))
    checkpoint = str(run.checkpoint("best_checkpoint.pt"))
    energies = []
    for overrides in ([], [f"--model.scale_file={other}"]):
        done = run_main(tmp_path, config, "--checkpoint", checkpoint, *overrides, mode="predict")
        assert done.status == 0
        energies.append(np.load(done.result("ocp_predictions.npz"))["energy"])
    np.testing.assert_array_equal(*energies)


def test_resumes_with_its_factors(run, config, scale_file, tmp_path):
    """Two epochs in one go, and one after another, end with the same weights."""
    scales = f"--model.scale_file={scale_file}"
    optim = {**config["optim"], "max_epochs": 2, "checkpoint_every": 4, "scheduler": "Null"}
    whole = run_main(tmp_path, {**config, "optim": optim}, scales)
    first = run_main(tmp_path, {**config, "optim": {**optim, "max_epochs": 1}}, scales)
    second = run_main(tmp_path, {**config, "optim": optim}, scales, "--checkpoint", str(first.checkpoint()))
    assert whole.status == first.status == second.status == 0
    expected = whole.load()["state_dict"]
    assert all(torch.equal(value, expected[name]) for name, value in second.load()["state_dict"].items())


def test_unfitted_factors(config, ethanol, tmp_path, capsys, caplog):
    """A training warns once and names the command; relaxations stop with it."""
    with caplog.at_level(logging.WARNING):
        run = run_main(tmp_path, config)
    assert run.status == 0
    assert sum("ocp-dc fit-scales" in record.message for record in caplog.records) == 1
    relax = {**config["dataset"], "relax": {"src": str(ethanol / "test")}}
    checkpoint = str(run.checkpoint("best_checkpoint.pt"))
    relaxed = run_main(tmp_path, {**config, "dataset": relax}, "--checkpoint", checkpoint, mode="run-relaxations")
    assert relaxed.status == 2
    assert f"{FACTORS} scale factors of the model are not fitted" in capsys.readouterr().err


@pytest.mark.parametrize("trainer", ["ocp", "dc"])
def test_a_file_that_lacks_some_factors_with_any_trainer(config, scale_file, tmp_path, capsys, trainer):
    """Fairchem's own trainers let the model read the file, and ended in its ValueError."""
    factors = json.loads(Path(scale_file).read_text())
    factors.pop(next(name for name in factors if name != "comment"))
    factors["comment"].pop("sha256")
    path = tmp_path / "lacking.json"
    path.write_text(json.dumps(factors))
    changed = {**config, "trainer": trainer, "model": {**config["model"], "scale_file": str(path)}}
    changed["evaluation_metrics"] = {"primary_metric": "loss"}
    changed["optim"] = {**config["optim"], "scheduler": "Null"}
    changed["dataset"] = {name: {**block, "transforms": {}} for name, block in config["dataset"].items()}
    assert run_main(tmp_path, changed).status == 2
    assert "model.scale_file: lacks" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1.2", "NaN", "true", "1e999"])
def test_a_factor_is_a_number_above_zero(tmp_path, value):
    (tmp_path / "scales.json").write_text(f'{{"block_1": 1.5, "block_2": {value}}}')
    with pytest.raises(UserError, match="block_2"):
        scale_factors.read_scale_file({"scale_file": str(tmp_path / "scales.json")})
