"""Values of a training config are checked before anything is built, and by the callback in the stock command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.compose import compose, find_fairchem2_config
from ocp_dc.fairchem2.main import main
from ocp_dc.fairchem2.value_check import check_config


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a folder for each split."""
    for split in ("train", "val", "test"):
        (tmp_path / split).mkdir()
    return tmp_path


CONFIG = find_fairchem2_config("fairchem2/schnet-dc")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("lr=fast", r"^lr: got 'fast', expected a finite number, above 0"),
        ("lr=0", r"^lr: got 0, expected"),
        ("lr=1e400", r"^lr: got inf, expected a finite number"),
        ("clip_grad_norm=-1", r"^clip_grad_norm: got -1, expected a finite number, above 0"),
        ("ema_decay=1", r"^ema_decay: got 1, expected a finite number, at least 0 and below 1"),
        ("epochs=-1", r"^epochs: got -1, expected a whole number, at least 1"),
        ("epochs=ten", r"^epochs: got 'ten'"),
        ("batch_size=0", r"^batch_size: got 0"),
        ("eval_batch_size=big", r"^eval_batch_size: got 'big'"),
        ("seed=-1", r"^seed: got -1, expected a whole number, at least 0 and at most 4294967295"),
        ("forces_coefficient=-1", r"^forces_coefficient: got -1, expected a finite number, at least 0"),
        ("runner.max_epochs=0", r"^runner\.max_epochs: got 0"),
    ],
)
def test_numbers(change: str, words: str, data: Path) -> None:
    with pytest.raises(UserError, match=words):
        check_config(compose(CONFIG, [f"data_dir={data}", change]))


def test_each_config_that_ships_is_valid(data: Path) -> None:
    for path in sorted(CONFIG.parent.glob("*-*.yaml")):
        check_config(compose(path, [f"data_dir={data}"]))
    check_config(compose(CONFIG, [f"data_dir={data}", "clip_grad_norm=null", "patience=3", "test_dataloader=null"]))


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    config = compose(CONFIG, [f"data_dir={data}", "job.device_type=CUDA"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"job\.device_type: got 'CUDA', expected 'CPU'; torch finds no GPU"):
        check_config(config)
    check_config(compose(CONFIG, [f"data_dir={data}", "job.device_type=CUDA", "job.scheduler.mode=SLURM"]))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_config(config)


def test_what_belongs_to_fairchem_1(tmp_path) -> None:
    path = tmp_path / "old.yml"
    path.write_text("includes: [base.yml]\ntrainer: dc\nmodel: {name: dc_schnet}\n")
    with pytest.raises(UserError, match=r"old\.yml: not a config of fairchem 2 \(it has includes, trainer,"):
        main(["-c", str(path)])
    (tmp_path / "model.pt").write_bytes(b"0")
    for name, words in (("model.pt", "not a YAML file"), (".", "a folder")):
        with pytest.raises(UserError, match=rf"{words}; expected a config of fairchem 2"):
            main(["-c", str(tmp_path / name)])
    for arguments in (["--mode", "train", "--config-yml", "c.yml"], ["-c", "fairchem2/schnet-dc", "--seed=3"]):
        with pytest.raises(UserError, match=r"^--(mode|seed)\S*: an argument of fairchem 1\.10.* expected -c CONFIG"):
            main(arguments)


@pytest.mark.parametrize(
    ("split", "words"), [("val", "--val N"), ("test", "test_dataloader=null"), ("train", "data_dir")]
)
def test_a_split_that_is_missing(split: str, words: str, data: Path) -> None:
    (data / split).rmdir()
    with pytest.raises(UserError, match=rf"{split}: no such file or folder; .*{words}"):
        check_config(compose(CONFIG, [f"data_dir={data}"]))
