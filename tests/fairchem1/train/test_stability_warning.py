from pathlib import Path

import pytest

from ocp_dc.cli import main
from ocp_dc.fairchem1.infer.inspect_model import build_model
from ocp_dc.labels import LabelOptions
from ocp_dc.training import stability

from tests.helpers.runs import MODEL, run_main

ROOT = Path(__file__).parents[3]
CENTRED = LabelOptions(center="composition", scale="forces_rms")


def measured(region, coefficient, diverged=0, useless=0, forces_mae=0.1, labels="centred"):
    return stability.Measurement("schnet", labels, region, coefficient, 3, diverged, useless, forces_mae)


@pytest.fixture
def numbers(monkeypatch):
    rows = (
        measured("none", ""),
        measured("output", "0.5"),
        measured("full", "0.25", forces_mae=0.15),
        measured("full", "unit_moment", diverged=2, useless=1, forces_mae=None),
        measured("none", "", labels="raw", forces_mae=0.4),
        measured("full", "0.5", labels="raw", forces_mae=0.4),
    )
    monkeypatch.setattr(stability, "measurements", lambda: rows)


def warning(dc, labels=CENTRED):
    return stability.stability_warning(build_model({**MODEL, **({} if dc is None else {"dc": dc})}), labels)


def irelu(coefficient, region, **rest):
    return {"activation": {"name": "irelu", "coefficient": coefficient}, "region": region, **rest}


def test_warns_of_what_failed_and_of_what_was_worse(numbers):
    text = warning(irelu(0.9, "full"))
    assert "IReLU (unit_moment) in region full of schnet, centred labels: 3 of 3" in text  # 0.9 is nearest 0.816
    assert "1.5 times the force error" in warning(irelu(0.3, "full"))
    assert "1.5 times" in warning(irelu(0.3, "full", dropout=0.1))
    assert "1.5 times" in warning(irelu(0.3, "paper"))  # SchNet's paper region is every activation


@pytest.mark.parametrize(
    "dc",
    [
        None,
        {"activation": "mish", "region": "full"},
        {"activation": "original", "elsewhere": "mish"},
        irelu(0.5, "output"),
        irelu(0.5, "output", elsewhere="irelu"),  # not measured
        irelu(0.8, [r"interactions\.0\."]),
        irelu(0.3, "full", insert_norm="batchnorm"),
    ],
)
def test_is_silent_where_all_went_well_or_nothing_was_measured(numbers, dc):
    assert warning(dc) is None


def test_labels_count(numbers):
    assert warning(irelu(0.3, "full"), labels=None) is None  # raw labels: measured as good as stock
    assert warning(irelu(0.3, "full"), labels=LabelOptions(center="none", scale=1.0)) is None


def test_the_file_covers_what_the_benchmark_runs():
    rows = stability.measurements()
    cases = {(row.region, row.coefficient) for row in rows}
    assert len(cases) == 9
    for model in ("schnet", "dimenetplusplus", "gemnet_t"):
        for labels in ("centred", "raw"):
            assert {(r.region, r.coefficient) for r in rows if (r.model, r.labels) == (model, labels)} == cases
    assert all(0 <= row.failed <= row.seeds == 3 for row in rows)
    assert all((row.forces_mae is None) == (row.failed == row.seeds) for row in rows)


def test_the_docs_hold_the_table():
    assert stability.table(stability.measurements()) in (ROOT / "docs" / "stability.md").read_text()


def test_inspect_and_training_say_it(tmp_path, small_config, capsys, caplog):
    worst = max((r for r in stability.measurements() if r.model == "dimenetplusplus"), key=lambda r: r.failed)
    assert (worst.region, worst.failed) == ("full", 3)
    config = str(ROOT / "configs" / "md17" / "dimenetplusplus-dc.yml")
    changes = [f"--model.dc.activation.coefficient={worst.coefficient}", "--model.dc.region=full"]
    assert main(["inspect", config]) == 0
    assert "warning" not in capsys.readouterr().out
    assert main(["inspect", config, *changes]) == 0
    assert f"warning: IReLU ({worst.coefficient}) in region full" in capsys.readouterr().out

    schnet = next(
        r for r in stability.measurements() if (r.model, r.region, r.coefficient) == ("schnet", "full", "0.25")
    )
    stock = next(r for r in stability.measurements() if (r.model, r.region) == ("schnet", "none"))
    assert schnet.forces_mae > stability.WORSE * stock.forces_mae
    run_main(tmp_path, small_config(model={"dc": irelu(0.25, "full")}, optim={"max_epochs": 1}))
    assert "in region full of schnet, centred labels" in caplog.text
