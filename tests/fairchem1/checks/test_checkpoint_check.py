"""Checkpoints that hold something else, or numbers that cannot be meant, are refused at every door."""

from __future__ import annotations

import math

import pytest
import torch
from fairchem.core.common.relaxation.ase_utils import OCPCalculator

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.host_patches.safe_loading import load_checkpoint_model
from ocp_dc.training.checkpoint_check import check_parts, check_training_state, check_values

from tests.helpers.runs import run_main

NAN, INF = math.nan, math.inf
REFERENCES = torch.tensor([NAN, -13.6, NAN, NAN])
GOOD = {
    "state_dict": {"a.weight": torch.ones(3), "a.count": torch.tensor(2)},
    "config": {"model": {"name": "schnet"}},
    "ema": {"shadow_params": [torch.ones(3)], "decay": 0.9},
    "normalizers": {"energy": {"mean": torch.tensor(1.0), "rmsd": torch.tensor(2.0)}, "old": {"mean": 1.0, "std": 2.0}},
    "elementrefs": {"energy": {"element_references": REFERENCES}},
    "label_rescaling": {"scale": 2.0, "mean": 0.0, "references": REFERENCES},
    "scale_dict": {"block_1": 1.3},
}


def test_good_ones():
    for checkpoint in (GOOD, {"state_dict": {}, "config": {"model": "schnet"}}):
        check_parts(checkpoint, "here")
        check_values(checkpoint, "here")
        check_training_state(checkpoint, "here")
    wide = torch.ones(1).expand(10**12)  # 4 bytes, and no memory for more
    check_values({**GOOD, "state_dict": {"wide": wide}}, "here")


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("state_dict", {"a.weight": torch.tensor([1.0, NAN])}, r"a\.weight is not finite \(nan, 1 of 2\)"),
        ("state_dict", {"a.weight": torch.tensor([INF])}, r"a\.weight is not finite \(inf"),
        ("state_dict", {"w": torch.ones(2, dtype=torch.complex64) * NAN}, "w is not finite"),
        ("state_dict", {"w": torch.ones(2, device="meta")}, "w is not an ordinary tensor"),
        ("state_dict", {"w": torch.ones(2).to_sparse()}, "w is not an ordinary tensor"),
        ("ema", {"shadow_params": [torch.ones(1), torch.tensor(NAN)]}, "averaged parameter 1"),
        (
            "normalizers",
            {"energy": {"mean": torch.tensor(NAN), "rmsd": torch.tensor(1.0)}},
            "normalizer of energy: mean",
        ),
        ("normalizers", {"energy": {"mean": torch.tensor(0.0), "rmsd": torch.tensor(0.0)}}, "rmsd is 0"),
        ("normalizers", {"target": {"mean": 0.0, "std": INF}}, "normalizer of target: rmsd"),
        ("elementrefs", {"energy": {"element_references": torch.tensor([INF])}}, "element references of energy"),
        ("elementrefs", {"energy": {"element_references": torch.full((3,), NAN)}}, "element references of energy"),
        ("label_rescaling", {"scale": 0.0, "mean": 0.0, "references": None}, "scale is 0, expected a number above 0"),
        ("label_rescaling", {"scale": -1.0, "mean": 0.0, "references": None}, "scale is -1"),
        ("label_rescaling", {"scale": NAN, "mean": 0.0, "references": None}, "scale is not finite"),
        ("label_rescaling", {"scale": "x", "mean": 0.0, "references": None}, "scale is 'x', expected one number"),
        ("label_rescaling", {"scale": 1.0, "mean": INF, "references": None}, "mean is not finite"),
        (
            "label_rescaling",
            {"scale": 1.0, "mean": 0.0, "references": torch.tensor([INF])},
            "references are not finite",
        ),
        ("label_rescaling", {"scale": [1.0], "mean": 0.0, "references": None}, "expected one number"),
        ("label_rescaling", {"scale": 1.0, "mean": torch.zeros(2), "references": None}, "expected one number"),
        ("label_rescaling", {"scale": 1.0, "mean": 0.0, "references": [0.0, 1.0]}, "not energies by atomic number"),
        (
            "label_rescaling",
            {"scale": 1.0, "mean": 0.0, "references": torch.zeros(2, 3)},
            "not energies by atomic number",
        ),
        ("label_rescaling", {"scale": 1.0}, "lacks scale, mean or references"),
        ("label_rescaling", {"scale": torch.tensor(True), "mean": 0.0, "references": None}, "expected one number"),
        ("label_rescaling", {"scale": torch.tensor(1 + 1j), "mean": 0.0, "references": None}, "expected one number"),
        ("label_rescaling", {"scale": 1.0, "mean": 1e30, "references": None}, r"mean reaches 1e\+30"),
        ("label_rescaling", {"scale": 1.0, "mean": 0.0, "references": torch.tensor([1e30])}, "larger than 1e"),
        ("normalizers", {"energy": {"mean": 0.0, "rmsd": torch.tensor(True)}}, r"rmsd is of type torch\.bool"),
        ("state_dict", {"w": torch.tensor([1.0, -1e30])}, r"w reaches 1e\+30, expected at most 1e\+15"),
        ("state_dict", {"w": torch.ones(2).to(torch.float8_e4m3fn)}, "w is not an ordinary tensor"),
        ("scale_dict", {"block_1": 0.0}, "scale factor block_1 is 0"),
        ("scale_dict", {"block_1": torch.tensor(NAN)}, "scale factor block_1 is not finite"),
    ],
)
def test_numbers_that_cannot_be_meant(part, value, message):
    with pytest.raises(UserError, match=f"here: .*{message}"):
        check_values({**GOOD, part: value}, "here")


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ([1, 2], "a list"),
        ({"a": torch.ones(1)}, "holds a, expected 'state_dict' and 'config'"),
        ({"config": "{}", "iteration": 1, "scale": 1.0, "state_dict": {}}, "ocp_dc.pinn.load reads"),
        ({"iteration": 1, "net": {}, "optimizer": {}, "best_net": {}}, "from `ocp-dc pinn train`"),
        ({"state_dict": {}, "config": {}}, "names no model"),
        ({"state_dict": {}, "config": 3}, "names no model"),
        ({"state_dict": {"a": 3}, "config": {"model": "schnet"}}, "something other than tensors"),
        ({**GOOD, "normalizers": [1]}, "its normalizers is a list"),
        ({**GOOD, "ema": {}}, "not a list of tensors"),
        ({**GOOD, "ema": {"decay": 0.9}}, "not a list of tensors"),
        ({**GOOD, "ema": {"shadow_params": [1.0]}}, "not a list of tensors"),
    ],
)
def test_other_contents_are_named(checkpoint, message):
    with pytest.raises(UserError, match=f"here: .*{message}"):
        check_parts(checkpoint, "here")


def test_moments_matter_to_a_training_only():
    state = {**GOOD, "optimizer": {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.tensor([NAN])}}}}
    check_values(state, "here")
    with pytest.raises(UserError, match="the optimizer's exp_avg of parameter 0 is not finite"):
        check_training_state(state, "here")


def test_moments_of_large_gradients():
    """Squares of gradients may be far larger than weights."""
    moments = {"step": torch.tensor(1.0), "exp_avg_sq": torch.tensor([1.0e30])}
    check_training_state({**GOOD, "optimizer": {"state": {0: moments}}}, "f")


@pytest.mark.parametrize("value", ["one number", "fewer"])
def test_averages_of_other_shapes_are_not_broadcast(value, trained, tmp_path):
    checkpoint = trained.load("checkpoint.pt")
    averages = checkpoint["ema"]["shadow_params"]
    checkpoint["ema"]["shadow_params"] = averages[1:] if value == "fewer" else [averages[0][:1, :1], *averages[1:]]
    torch.save(checkpoint, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"averaged weights \(ema\) of the checkpoint are not those of its model"):
        ocp_dc.calculator(tmp_path / "a.pt", cpu=True)


@pytest.mark.parametrize("damage", ["weights", "truncated", "flipped", "folder"])
def test_every_door_refuses(damage, trained, ethanol, small_config, tmp_path, capsys):
    """evaluate, both calculators, prediction, validation, relaxation, and a training that would go on."""
    path = tmp_path / "bad.pt"
    if damage == "weights":
        checkpoint = trained.load()
        name, value = next(iter(checkpoint["state_dict"].items()))
        value[0] = NAN
        torch.save(checkpoint, path)
        message = f"{name} is not finite"
    elif damage == "folder":
        path.mkdir()
        message = "is a folder"
    else:
        content = bytearray(trained.checkpoint().read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content[:5000] if damage == "truncated" else content)
        message = "truncated or damaged"
    block = {"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}}
    config = small_config(model=block)
    config["dataset"]["relax"] = {"src": str(ethanol / "test")}
    for mode in ("train", "predict", "validate", "run-relaxations"):
        assert run_main(tmp_path, config, "--checkpoint", str(path), mode=mode).status == 2
        assert message in capsys.readouterr().err
    assert main(["evaluate", str(path), str(ethanol / "test"), "--out", str(tmp_path / "e"), "--cpu"]) == 2
    assert message in capsys.readouterr().err
    for calculator in (
        lambda: ocp_dc.calculator(path, cpu=True),
        lambda: OCPCalculator(checkpoint_path=path, cpu=True),
    ):
        with pytest.raises(UserError, match=message):
            calculator()


def test_a_checkpoint_is_no_config(trained, capsys):
    assert main(["inspect", str(trained.checkpoint())]) == 2
    assert "is a zip archive, such as a checkpoint (.pt)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value"),
    [("hidden_channels", 30_000), ("num_filters", 10**9), ("num_interactions", 10**8), ("num_gaussians", 10**8)],
)
def test_a_model_that_is_larger_than_its_file(trained, tmp_path, key, value):
    """The config of a small file may describe a model that would take the memory, or hours to build."""
    checkpoint = trained.load("best_checkpoint.pt")
    checkpoint["config"]["model"][key] = value
    torch.save(checkpoint, tmp_path / "x.pt")
    for read in (
        lambda: ocp_dc.calculator(tmp_path / "x.pt", cpu=True),
        lambda: OCPCalculator(checkpoint_path=tmp_path / "x.pt", cpu=True),
        lambda: load_checkpoint_model(str(tmp_path / "x.pt")),
    ):
        with pytest.raises((UserError, RuntimeError), match=r"describes a model of more than|can't allocate memory"):
            read()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c["config"].pop("outputs"),
        lambda c: c["config"].pop("cmd"),
        lambda c: c["config"].update(outputs="x"),
        lambda c: c["config"].update(dataset="x"),
        lambda c: c["config"].update(optim=3),
        lambda c: c["config"]["cmd"].update(seed=-1),
        lambda c: c["state_dict"].update({3: torch.ones(3)}),
        lambda c: c["label_rescaling"].update(scale=torch.ones(1).expand(10**11)),
        lambda c: c["label_rescaling"].update(references=torch.zeros(1).expand(10**11)),
        lambda c: c["label_rescaling"].update(references=torch.zeros(3, 3)),
        lambda c: c["label_rescaling"].update(references=[0.0, 1.0]),
    ],
)
def test_parts_that_no_training_saves(trained, tmp_path, spoil):
    checkpoint = trained.load("best_checkpoint.pt")
    spoil(checkpoint)
    torch.save(checkpoint, tmp_path / "x.pt")
    with pytest.raises(UserError, match=r"x\.pt"):
        ocp_dc.calculator(tmp_path / "x.pt", cpu=True)


WEIGHT = "lin1.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: (w * 100).long(), r"holds torch\.int64 in the checkpoint, torch\.float32 in the model"),
        (lambda w: w > 0, r"holds torch\.bool"),
        (lambda w: torch.complex(w, w), r"holds torch\.complex64"),
        (lambda w: w[:1].expand(w.shape), "one number or row in the checkpoint, repeated"),
    ],
)
def test_weights_of_another_kind(trained, tmp_path, change, message):
    """torch copies integers, booleans and the real part of complex numbers into floats without a word."""
    checkpoint = trained.load("best_checkpoint.pt")
    checkpoint["state_dict"][WEIGHT] = change(checkpoint["state_dict"][WEIGHT])
    torch.save(checkpoint, tmp_path / "x.pt")
    with pytest.raises(UserError, match=f"{WEIGHT} .*{message}"):
        ocp_dc.calculator(tmp_path / "x.pt", cpu=True)


def test_averages_of_another_kind(trained, tmp_path):
    checkpoint = trained.load("checkpoint.pt")
    checkpoint["ema"]["shadow_params"] = [value.long() for value in checkpoint["ema"]["shadow_params"]]
    torch.save(checkpoint, tmp_path / "x.pt")
    with pytest.raises(UserError, match=r"averaged weights \(ema\) of the checkpoint are not those of its model"):
        ocp_dc.calculator(tmp_path / "x.pt", cpu=True)


def test_weights_of_another_precision(trained, tmp_path):
    checkpoint = trained.load("best_checkpoint.pt")
    checkpoint["state_dict"][WEIGHT] = checkpoint["state_dict"][WEIGHT].half()
    torch.save(checkpoint, tmp_path / "x.pt")
    assert ocp_dc.calculator(tmp_path / "x.pt", cpu=True)


def test_a_checkpoint_cannot_allow_itself_missing_weights(trained, tmp_path):
    """They would be predicted with as they were drawn, other numbers in every process."""
    checkpoint = trained.load("best_checkpoint.pt")
    checkpoint["config"]["task"]["strict_load"] = False
    del checkpoint["state_dict"][WEIGHT]
    torch.save(checkpoint, tmp_path / "x.pt")
    with pytest.raises(UserError, match=rf"lacks 1 of the \d+ parameters of its model, such as {WEIGHT}"):
        ocp_dc.calculator(tmp_path / "x.pt", cpu=True)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"use_pbc": "False"}, r"model\.use_pbc: got 'False', expected true or false"),
        ({"cutoff": True}, r"model\.cutoff: got True, expected a finite number"),
        ({"cutoff": torch.tensor(5.0)}, r"model\.cutoff: got tensor"),
        ({"name": "dimenetplusplus", "num_spherical": 60}, r"model\.num_spherical: got 60"),
        ({"name": "hydra", "backbone": {"model": "gemnet_t_backbone", "num_spherical": 60}}, "model.backbone.num_sph"),
        (
            {"name": "hydra", "backbone": {"model": "hydra", "backbone": {"model": "painn_backbone", "cutoff": 1e9}}},
            "c",
        ),
    ],
)
def test_arguments_of_the_saved_model(trained, tmp_path, model, message):
    """They are checked as those of a config are: a text counts as true, and deriving basis functions need not end."""
    checkpoint = trained.load("best_checkpoint.pt")
    checkpoint["config"]["model"] |= model
    torch.save(checkpoint, tmp_path / "x.pt")
    for read in (
        lambda: ocp_dc.calculator(tmp_path / "x.pt", cpu=True),
        lambda: OCPCalculator(checkpoint_path=tmp_path / "x.pt", cpu=True),
        lambda: load_checkpoint_model(str(tmp_path / "x.pt")),
    ):
        with pytest.raises(UserError, match=message):
            read()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"forces": {"level": "atom"}}, "predicts forces, but not energy"),
        ({}, "predicts nothing, but not energy"),
        ({"energy": {"level": "atom"}}, "level: 'atom', expected 'system'"),
        ({"energy": {"level": "system"}, "forces": {"level": "system"}}, "level: 'system', expected 'atom'"),
    ],
)
def test_outputs_of_the_saved_config(trained, tmp_path, outputs, message):
    checkpoint = trained.load("best_checkpoint.pt")
    checkpoint["config"]["outputs"] = outputs
    torch.save(checkpoint, tmp_path / "x.pt")
    with pytest.raises(UserError, match=message):
        ocp_dc.calculator(tmp_path / "x.pt", cpu=True)


def test_an_evaluation_of_energies_alone(trained, ethanol, tmp_path, capsys):
    checkpoint = trained.load("best_checkpoint.pt")
    del checkpoint["config"]["outputs"]["forces"]
    torch.save(checkpoint, tmp_path / "x.pt")
    assert main(["evaluate", str(tmp_path / "x.pt"), str(ethanol / "test"), "--out", str(tmp_path / "e"), "--cpu"]) == 2
    assert "predicts energy, energies, but not forces" in capsys.readouterr().err
