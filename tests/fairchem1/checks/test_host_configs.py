"""Configs as fairchem's repository has them: what stock trains passes, what it cannot train is told; and the command.

The excerpts are written for these tests. benchmarks/host_configs.py tries the real files, docs/host-configs.md is what
came of it.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import ocp_dc
import ocp_dc.fairchem1 as _plugin
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1 import main
from ocp_dc.fairchem1.checks import unknown_keys

assert _plugin
ROOT = Path(ocp_dc.__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
PAGE = ROOT / "docs" / "host-configs.md"

BASE = """
trainer: ocp
dataset:
  train: {format: lmdb, src: data/train, key_mapping: {y: energy, force: forces}}
  val: {src: data/val}
logger: wandb
outputs:
  energy: {shape: 1, level: system}
  forces: {irrep_dim: 1, level: atom, train_on_free_atoms: True, eval_on_free_atoms: True}
loss_functions:
  - energy: {fn: mae, coefficient: 2}
  - forces: {fn: l2mae, coefficient: 100}
evaluation_metrics:
  metrics: {energy: [mae], forces: [mae, cosine_similarity]}
  primary_metric: forces_mae
"""
SCHNET = "{name: schnet, hidden_channels: 16, num_filters: 16, use_pbc: True, otf_graph: True}"
OPTIM = "batch_size: 2, eval_batch_size: 2, num_workers: 0, eval_every: 2, max_epochs: 1, lr_initial: 1.e-4"
NULL = f"optim: {{{OPTIM}, scheduler: 'Null'}}"
ENERGY_ONLY = """
dataset: {train: {format: lmdb, src: data/train, key_mapping: {y: energy}}}
outputs: {energy: {level: system}}
loss_functions: [energy: {fn: mae, coefficient: 1}]
"""
COSINE = "{lambda_type: cosine, warmup_factor: 0.2, warmup_epochs: 0.1, lr_min_factor: 0.01}"


@pytest.fixture
def resolve(tmp_path, monkeypatch):
    """Resolves a config that includes BASE, from the folder where fairchem's are started."""
    unknown_keys.warn_once.cache_clear()
    folder = tmp_path / "configs" / "set"
    folder.mkdir(parents=True)
    (folder / "base.yml").write_text(BASE)
    monkeypatch.chdir(tmp_path)

    def of(text, include="configs/set/base.yml"):
        path = folder / "run.yml"
        path.write_text(f"includes: [{include}]\n{text}" if include else text)
        return main.resolve(*main.parse(["--mode", "train", "--config-yml", str(path), "--cpu"]))

    return of


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (f"model: {SCHNET}\noptim: {{{OPTIM}, warmup_steps: -1, lr_gamma: 0.8, lr_milestones: [5000]}}", []),
        (
            f"trainer: equiformerv2_forces\nmodel: {SCHNET}\n"
            f"optim: {{{OPTIM}, scheduler: LambdaLR, scheduler_params: {COSINE}}}",
            [],
        ),
        (
            f"rainer: ocp\ntrainer: energy\nmodel: {SCHNET}\n"
            f"optim: {{{OPTIM}, scheduler: CosineAnnealingLR, T_max: 9, mode: min, grad_accumulation_steps: 1}}",
            ["rainer (similar to trainer, which is also there)", "optim.mode", "optim.grad_accumulation_steps"],
        ),
        (
            f"model: {SCHNET}\noptim: {{{OPTIM}, scheduler: ReduceLROnPlateau, mode: min, factor: 0.8, patience: 3, "
            "force_coefficient: 100, energy_coefficient: 1, load_balancing: neighbors}",
            ["optim.force_coefficient", "optim.energy_coefficient"],
        ),
        (
            f"dataset: {{train: {{format: oc22_lmdb, lin_ref: linref.npz}}}}\nmodel: {SCHNET}\n{NULL}",
            ["dataset.train.lin_ref (subtracted only from data of format ase_*)"],
        ),
    ],
    ids=["warmup of -1", "scheduler_params", "keys of nobody", "coefficients of old", "lin_ref"],
)
def test_what_stock_trains_passes(resolve, caplog, text, warned):
    with caplog.at_level(logging.WARNING):
        resolve(text)
    lines = [record.getMessage() for record in caplog.records if "are not read" in record.getMessage()]
    assert len(lines) == bool(warned)
    for key in warned:
        assert key in lines[0]


@pytest.mark.parametrize(
    ("text", "include", "message"),
    [
        (
            f"loss_functions: [energy: {{fn: mae}}]\nmodel: {SCHNET}\n{NULL}",
            True,
            r"energy\.coefficient: missing",
        ),
        (
            f"loss_functions: [energy: {{fn: atomwisel2, coefficient: 1}}]\nmodel: {SCHNET}\n{NULL}",
            True,
            r"'atomwisel2'",
        ),
        (f"model: {SCHNET}\noptim: {{{OPTIM}}}", "configs/set/bass.yml", r"run\.yml: .*configs/set/bass\.yml"),
        ("dataset: {train: {src: x}}", None, r"the block 'model' is missing"),
        (
            f"trainer: equiformerv2_forces\nmodel: {SCHNET}\n"
            f"optim: {{{OPTIM}, scheduler: CosineAnnealingLR, T_max: 9}}",
            True,
            r"scheduler_params: missing",
        ),
        (
            f"model: {{name: schnet, norm_scale_nodes: 1.0}}\n{NULL}",
            True,
            r"unknown key 'norm_scale_nodes'",
        ),
        (
            f"{ENERGY_ONLY}evaluation_metrics: {{metrics: {{misc: [energy_forces_within_threshold]}}}}\n"
            f"model: {SCHNET}\n{NULL}",
            None,
            r"energy_forces_within_threshold needs forces in outputs",
        ),
        (f"model: {{name: gemnet_t, scale_file: none.json}}\n{NULL}", True, r"scale_file none\.json"),
    ],
    ids=[
        *("no coefficient", "loss", "include", "no run config", "no scheduler_params", "argument of no model"),
        *("metric without forces", "scale file"),
    ],
)
def test_what_stock_cannot_train_is_told(resolve, text, include, message):
    with pytest.raises(UserError, match=f"(?s){message}"):
        resolve(text, "configs/set/base.yml" if include is True else include)


# ---- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import host_config_case
    import host_configs

    return host_configs, host_config_case


def test_sizes_and_data_come_as_overrides_of_what_is_there(command, tmp_path):
    _, cases = command
    gemnet = {
        "name": "gemnet_oc",
        "emb_size_atom": 256,
        "cutoff_qint": 12.0,
        "rbf": {"name": "gaussian"},
        "num_blocks": 4,
    }
    config = {
        "dataset": {"train": {"src": ["a"]}},
        "model": gemnet,
        "optim": {"scheduler_params": {"warmup_epochs": 0.1}},
    }
    given = dict(
        word.removeprefix("--").split("=", 1)
        for word in cases.overrides(config, tmp_path, {"model.dc.region": "output"})
    )
    assert given["dataset.train.src"] == str([str(tmp_path / "train")])
    assert given["dataset.val.src"] == str(tmp_path / "val")
    assert {key: value for key, value in given.items() if key.startswith("model.")} == {
        "model.emb_size_atom": "8",
        "model.cutoff_qint": "5.0",
        "model.otf_graph": "True",
        "model.dc.region": "output",
    }
    assert given["optim.scheduler_params.warmup_epochs"] == "1"
    hydra = cases.overrides({"model": {"name": "hydra", "backbone": {"num_layers": 8}}}, tmp_path, {})
    assert "--model.backbone.num_layers=2" in hydra
    assert not [word for word in hydra if "otf_graph" in word or "warmup" in word]


def test_the_page_counts_and_numbers_the_errors(command):
    page, _ = command
    stock, ours, dc = page.ARMS
    text = page.page(
        {
            "a.yml": {stock: "trains", ours: "trains", dc: "trains, `allow_direct: true`"},
            "b.yml": {stock: "KeyError: 'x'", ours: "error: `x` is missing", dc: "error: `x` is missing"},
        },
        "the command",
    )
    assert "Of 2 configs stock fairchem trains 1, `ocp-dc main` 1, and with a `dc:` block 1 train." in text
    assert "| a.yml | trains | trains | trains, `allow_direct: true` |\n| b.yml | 1 | 2 | 2 |" in text
    assert "\n1. `KeyError: 'x'`\n2. `error: 'x' is missing`\n" in text
    assert (
        page.readable("error: /home/me/configs/a.yml and DATA: /tmp/x/train", "/tmp/x")
        == "error: a.yml and DATA: DATA/train"
    )


def test_only_finite_weights_are_a_training(command, tmp_path):
    _, cases = command
    assert cases.trained(tmp_path) == "ended without a checkpoint"
    for value, said in ((1.0, cases.TRAINS), (float("nan"), "the weights are not finite any more")):
        torch.save({"state_dict": {"a": torch.ones(2), "b": torch.tensor([0.0, value])}}, tmp_path / "checkpoint.pt")
        assert cases.trained(tmp_path) == said


def test_a_hang_and_a_crash_stop_no_others():
    program = (
        "import os, time, host_configs as h\n"
        "tasks = {'hangs': lambda: time.sleep(600), 'dies': lambda: os._exit(3), 'a': lambda: 'A', 'b': lambda: 'B'}\n"
        "print(sorted(h.in_forks(tasks, jobs=2, seconds=3)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=_environment(), timeout=300
    )
    assert done.stdout.strip() == str(
        [("a", "A"), ("b", "B"), ("dies", "the process died"), ("hangs", "no end within 3 s")]
    )


def _environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(BENCHMARKS), str(ROOT)]), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_one_config_from_end_to_end(tmp_path):
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "base.yml").write_text(BASE)
    run = {"includes": ["configs/base.yml"], "model": yaml.safe_load(SCHNET)}
    run["optim"] = {**yaml.safe_load(f"{{{OPTIM}}}"), "warmup_steps": -1, "lr_gamma": 0.8, "lr_milestones": [5000]}
    (folder / "schnet.yml").write_text(yaml.safe_dump(run))
    arguments = [sys.executable, str(BENCHMARKS / "host_configs.py"), str(folder), "--out", str(tmp_path / "page.md")]
    done = subprocess.run(arguments, capture_output=True, text=True, env=_environment(), timeout=300)
    assert done.returncode == 0, done.stderr
    assert "| schnet.yml | trains | trains | trains |" in (tmp_path / "page.md").read_text()


def test_the_page_says_that_whatever_stock_trains_is_trained():
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if re.match(r"\| \S+\.yml \|", line)]
    assert len(rows) == 77
    assert not [row for row in rows if row[1].startswith("trains") and not row[2].startswith("trains")]
    counted = [sum(row[column].startswith("trains") for row in rows) for column in (1, 2, 3)]
    assert (
        f"stock fairchem trains {counted[0]}, `ocp-dc main` {counted[1]}, and with a `dc:` block {counted[2]}"
        in PAGE.read_text()
    )
