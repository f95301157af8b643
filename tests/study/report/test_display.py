from __future__ import annotations

import pytest

from ocp_dc.study.report.changes import signed, with_interval, without_interval
from ocp_dc.study.report.display import DisplayUnit, display_unit, in_kcal
from ocp_dc.study.report.statistics import Comparison

from tests.helpers.studies import EFWT, ENERGY, FORCES, PER_ATOM, SECONDS, runs

NONE = DisplayUnit("")


def test_units_that_read_well():
    small, large = runs("a", [0.01, 0.02, 3.0], [0.1] * 3), runs("a", [1.0, 20.0])
    assert display_unit(ENERGY, small) == DisplayUnit("meV", 1e-3)
    assert display_unit(FORCES, small) == DisplayUnit("meV/Å", 1e-3)
    assert display_unit(ENERGY, large) == display_unit(ENERGY, []) == DisplayUnit("eV")
    assert display_unit(PER_ATOM, []) == DisplayUnit("eV/atom")
    assert display_unit(EFWT, small) == DisplayUnit("%", 0.01)
    assert display_unit(SECONDS, small) == DisplayUnit("s")


def test_kcal():
    energy, forces = in_kcal(ENERGY), in_kcal(FORCES)
    assert energy is not None
    assert forces is not None
    assert energy.text([0.04336410390059322]) == "1"
    assert forces.unit == "kcal/mol/Å"
    assert in_kcal(SECONDS) is None


def test_means_over_seeds_by_hand():
    assert DisplayUnit("meV", 1e-3).text([0.010, 0.012, 0.014]) == "12.0 ± 2.0"
    assert NONE.text([1e-6, 2e-6, 3e-6]) == "(2.0 ± 1.0)e-06"
    assert NONE.text([2.5e7]) == "2.5e+07"
    assert NONE.text([0.0, 0.0]) == "0 ± 0"


def comparison(change, low=None, high=None, relative=True):
    return Comparison(ENERGY, (0, 1, 2), relative, change, low, high)


PERCENT = DisplayUnit("%", 0.01)


@pytest.mark.parametrize(
    ("made", "shown", "alone", "interval", "with_sign"),
    [
        (comparison(0.76, 0.68, 0.85), NONE, "24 % lower", "lower by 24 % (95 % interval 15 to 32 %)", "−24 %"),
        (comparison(1.5, 1.2, 1.9), NONE, "50 % higher", "higher by 50 % (95 % interval 20 to 90 %)", "+50 %"),
        (
            comparison(0.2, 0.1, 0.5),
            NONE,
            "lower by a factor of 5.0",
            "lower by a factor of 5.0 (95 % interval 2.0 to 10)",
            "×0.20",
        ),
        (
            comparison(3.5, 2.0, 6.0),
            NONE,
            "higher by a factor of 3.5",
            "higher by a factor of 3.5 (95 % interval 2.0 to 6.0)",
            "×3.5",
        ),
        (
            comparison(0.02, 0.01, 0.03, False),
            PERCENT,
            "2.0 % higher",
            "higher by 2.0 % (95 % interval 1.0 to 3.0 %)",
            "+2.0 %",
        ),
        (
            comparison(-0.02, -0.03, -0.01, False),
            NONE,
            "0.020 lower",
            "lower by 0.020 (95 % interval 0.010 to 0.030)",
            "−0.020",
        ),
    ],
)
def test_changes_in_words(made, shown, alone, interval, with_sign):
    assert (without_interval(made, shown), with_interval(made, shown), signed(made, shown)) == (
        alone,
        interval,
        with_sign,
    )


def test_a_change_with_its_interval():
    assert signed(comparison(0.97, 0.9, 1.05), NONE, interval=True) == "−3.0 %, 95 % interval −10 to +5.0 %"
    assert signed(comparison(0.9, 0.05, 16.2), NONE, interval=True) == "×0.90, 95 % interval ×0.050 to ×16"
    assert signed(comparison(0.97), NONE, interval=True) == "−3.0 %"
    assert signed(comparison(None), NONE) == ""
    assert without_interval(comparison(1.0), NONE) == "the same"
