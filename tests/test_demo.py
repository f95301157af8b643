"""The demo runs from the sample to the table, on a small budget."""

from __future__ import annotations

import csv

import pytest

from ocp_dc import demo
from ocp_dc.core.errors import UserError


@pytest.mark.slow
def test_from_the_sample_to_the_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "TRAIN", 20)
    monkeypatch.setattr(demo, "VAL", 5)
    monkeypatch.setattr(demo, "TEST", 5)
    demo.demo(tmp_path / "demo", epochs=1)
    shown = capsys.readouterr().out
    assert "Test errors after 1 epochs on 20 structures" in shown
    with (tmp_path / "demo" / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == {"stock", "derivative-constrained"}
    pictures = [path.name for path in (tmp_path / "demo").rglob("*.png")]
    assert pictures.count("parity.png") == 2
    assert (tmp_path / "demo" / "learning_curves.png").is_file()


def test_a_failed_training_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "config_path", lambda name: tmp_path / "none.yml")
    monkeypatch.setattr(demo, "TRAIN", 2)
    with pytest.raises(UserError, match=r"schnet-stock ended with status 2; see .*schnet-stock\.log"):
        demo.demo(tmp_path / "demo", epochs=1)


@pytest.mark.parametrize("epochs", [0, -1, 2.5])
def test_epochs_are_checked_before_anything_is_made(tmp_path, epochs):
    with pytest.raises(UserError, match=r"--epochs: got .*, expected a whole number, at least 1"):
        demo.demo(tmp_path / "demo", epochs=epochs)
    assert not (tmp_path / "demo").exists()
