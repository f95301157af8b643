from __future__ import annotations

import dataclasses
import json

from torch import nn

from ocp_dc.surgery import Report

from surgery_toys import ToyBlocks, swap


def test_the_report_is_plain_data() -> None:
    model = nn.Sequential(ToyBlocks(), nn.BatchNorm1d(1))
    report = swap(model, activation="irelu", region=[r"0\.act$", "mlp"], elsewhere="ssp", denormalize="batchnorm")
    data = json.loads(json.dumps(report.to_dict()))
    assert data["counts"] == {"swapped": 4, "swapped_elsewhere": 0, "norms_removed": 1, "unchanged": 1, "kept": 0}
    assert data["region"] == [r"0\.act$", "mlp"]
    assert data["swaps"][0] == dataclasses.asdict(report.swaps[0]) | {"aliases": list(report.swaps[0].aliases)}
    assert data["removals"][0]["path"] == "1"


def test_the_report_as_text() -> None:
    model = nn.Sequential(ToyBlocks(), nn.BatchNorm1d(1))
    text = str(swap(model, activation="irelu", region=["mlp"], elsewhere="mish", denormalize="all"))
    first, *lines = text.splitlines()
    assert "2 activations swapped in region [mlp], 3 elsewhere, 1 norms removed, 0 activations kept" in first
    assert (
        "  0.interactions.0.mlp.1 (= 0.interactions.0.conv.filter.1): ShiftedSoftplus() -> IReLU(coefficient=0.5)"
        in lines
    )
    assert "  0.act: ShiftedSoftplus() -> Mish() (elsewhere)" in lines
    assert any(line.startswith("  1: BatchNorm1d(1, ") and line.endswith(" removed") for line in lines)
    again = str(swap(model, region="full"))
    assert "  0.interactions.0.mlp.1: already as asked for" in again.splitlines()
    assert "region 'full'" in again
    assert "  act: ShiftedSoftplus() kept" in str(swap(ToyBlocks())).splitlines()


def test_an_empty_report() -> None:
    assert str(Report("none")).splitlines() == [
        "surgery: 0 activations swapped in region 'none', 0 elsewhere, 0 norms removed, 0 activations kept"
    ]
