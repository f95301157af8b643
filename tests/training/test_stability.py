"""When a region and a coefficient are worth a warning, on measurements that the test makes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ocp_dc.labels import LabelOptions
from ocp_dc.surgery import DCOptions
from ocp_dc.training import stability
from ocp_dc.training.stability import Measurement

from tests.helpers.surgery_toys import TABLE

LABELS = LabelOptions.from_block({"center": "composition", "scale": "forces_rms"}, "labels")


def measured(region: str, coefficient: str, forces_mae: float | None, failed: int = 0) -> Measurement:
    return Measurement("toy", "centred", region, coefficient, 3, failed, 0, forces_mae)


@pytest.mark.parametrize(
    ("worse", "expected"),
    [(1.0, None), (1.2, None), (1.3, "1.3 times the force error of stock"), (4.0, "4.0 times the force error")],
)
def test_a_quarter_more_is_worth_a_warning(monkeypatch: pytest.MonkeyPatch, worse: float, expected: str | None) -> None:
    rows = (measured("none", "", 0.1), measured("full", "0.5", 0.1 * worse))
    monkeypatch.setattr(stability, "measurements", lambda: rows)
    assert_warns(expected)


@pytest.mark.parametrize(("failed", "expected"), [(0, None), (2, "2 of 3 short training runs on ethanol failed")])
def test_more_failures_than_stock_are(monkeypatch: pytest.MonkeyPatch, failed: int, expected: str | None) -> None:
    rows = (measured("none", "", 0.1), measured("full", "0.25", 0.9), measured("full", "0.4", 0.1, failed))
    monkeypatch.setattr(stability, "measurements", lambda: rows)
    assert_warns(expected)  # of the measured coefficients 0.4 is the nearest to 0.5


def assert_warns(expected: str | None) -> None:
    options = DCOptions.from_block({"activation": {"name": "irelu", "coefficient": 0.5}, "region": "full"})
    model = SimpleNamespace(dc_options=options, dc_regions=TABLE, registered_name="dc_toy")
    found = stability.stability_warning(model, LABELS)
    assert (found is None) is (expected is None)
    assert expected is None or (found is not None and expected in found)
