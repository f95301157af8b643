from __future__ import annotations

import dataclasses
import json

import torch
from torch import nn

from ocp_dc.surgery import DCOptions, Report, apply_surgery

from tests.helpers.surgery_toys import TABLE, ToyBlocks, swap


def test_the_report_is_plain_data() -> None:
    model = nn.Sequential(ToyBlocks(), nn.BatchNorm1d(1))
    report = swap(model, activation="irelu", region=[r"0\.act$", "mlp"], elsewhere="ssp", denormalize="batchnorm")
    data = json.loads(json.dumps(report.to_dict()))
    counts = {"swapped": 4, "swapped_elsewhere": 0, "norms_removed": 1, "unchanged": 1, "kept": 0, "insertions": 0}
    assert data["counts"] == counts
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


def test_insertions() -> None:
    def forward(model: nn.Module) -> object:
        return model(torch.randn(3, 4))

    block = {"insert_norm": "batchnorm", "dropout": 0.25, "insert_region": [r"0\.mlp", "^act$"]}
    report = apply_surgery(
        ToyBlocks(), DCOptions.from_block({"activation": "irelu", "region": "output", **block}), TABLE, forward
    )
    data = json.loads(json.dumps(report.to_dict()))
    assert data["counts"]["insertions"] == 2
    assert data["insertions"][1] == {
        "path": "interactions.0.mlp.1",
        "aliases": ["interactions.0.conv.filter.1"],
        "after": "ShiftedSoftplus()",
        "norm": "BatchNorm1d(4)",
        "dropout": 0.25,
    }
    assert str(report).splitlines()[-3:] == [
        "insertion after 2 activations",
        "  act: IReLU(coefficient=0.5) -> BatchNorm1d(4) -> Dropout(0.25)",
        "  interactions.0.mlp.1 (= interactions.0.conv.filter.1): ShiftedSoftplus() -> BatchNorm1d(4) -> Dropout(0.25)",
    ]
    assert str(swap(ToyBlocks(), dropout=0.5)).splitlines()[-1] == "  act: ShiftedSoftplus() -> Dropout(0.5)"


def test_an_empty_report() -> None:
    assert str(Report("none")).splitlines() == [
        "surgery: 0 activations swapped in region 'none', 0 elsewhere, 0 norms removed, 0 activations kept"
    ]
