from __future__ import annotations

import csv
import itertools
import math

import numpy as np
import pytest

from ocp_dc.study.report import write_report
from ocp_dc.study.report.effect_tables import build_effects
from ocp_dc.study.report.effects import Effects, Grid, estimate_effects, find_grid
from ocp_dc.study.report.groups import gather

from tests.helpers.studies import ENERGY, FORCES, run, runs, study

TWO = {"center": ("raw", "centered"), "inside": ("own", "Mish"), "output": ("own", "IReLU")}
MIXED = {"center": ("raw", "mean", "composition"), "output": ("own", "IReLU", "Mish", "tanh")}


def names_of(axes):
    return {" / ".join(levels): dict(zip(axes, levels, strict=True)) for levels in itertools.product(*axes.values())}


def factorial(axes, seeds=3, lost=(), left_out=(), spread=0.1):
    """A study with random errors; ``lost`` are the (arm, seed) that diverged."""
    rng = np.random.default_rng(5)
    levels = {name: found for name, found in names_of(axes).items() if name not in left_out}
    arms = []
    for name in levels:
        errors = np.exp(rng.normal(-2, 1) + rng.normal(0, spread, (seeds, 2)))  # [seeds, energy and forces]
        made = runs(name, errors[:, 0].tolist(), errors[:, 1].tolist())
        arms.append([run(name, r.seed, status="diverged") if (name, r.seed) in lost else r for r in made])
    return study(*arms, levels=levels)


def effects_of(results) -> Effects:
    (group,) = gather(results)
    grid = find_grid(results, group)
    assert isinstance(grid, Grid)
    return estimate_effects(results, group, grid)


def found(effects, levels, within=()):
    within = dict(within)
    (effect,) = (e for e in (*effects.main, *effects.within) if (e.levels, e.within) == (levels, within))
    return effect.on


def log_errors(results, key):
    return {(r.arm, r.seed): math.log(r.metrics[key]) for r in results.records if r.status == "done"}


def least_squares(results, axes, key, seed):
    """Coefficients of the full model in sum-to-zero coding, by least squares, as differences from the first level.

    In this coding a coefficient is a deviation from the mean over the levels, and those of an axis add up to zero.
    """
    logs = log_errors(results, key)
    rows, columns = [], []
    for levels in itertools.product(*axes.values()):
        row: dict[tuple[tuple[str, str], ...], float] = {(): 1.0}
        for axis, level in zip(axes, levels, strict=True):
            names = axes[axis]
            code = {n: -1.0 if level == names[0] else float(level == n) for n in names[1:]}
            row |= {(*term, (axis, n)): value * c for term, value in row.items() for n, c in code.items()}
        columns = list(row)
        rows.append(list(row.values()))
    y = [logs[" / ".join(levels), seed] for levels in itertools.product(*axes.values())]
    solved = np.linalg.lstsq(np.array(rows), np.array(y), rcond=None)[0]
    deviation = dict(zip(columns, solved, strict=True))

    def at(term):  # the deviation of any levels; that of a first level is minus the sum of the others
        for i, (axis, level) in enumerate(term):
            if level == axes[axis][0]:
                return -sum(at((*term[:i], (axis, other), *term[i + 1 :])) for other in axes[axis][1:])
        return deviation[term]

    def effect(levels):
        total = 0.0
        for chosen in itertools.product((False, True), repeat=len(levels)):
            pairs = zip(levels.items(), chosen, strict=True)
            term = tuple((axis, level if use else axes[axis][0]) for (axis, level), use in pairs)
            total += (-1) ** (len(levels) - sum(chosen)) * at(term)
        return total

    return effect


@pytest.mark.parametrize("axes", [TWO, MIXED], ids=["2x2x2", "3x4"])
@pytest.mark.parametrize("key", ["energy_mae", "forces_mae"])
def test_effects_are_those_of_least_squares_with_all_interactions(axes, key):
    results = factorial(axes)
    effects = effects_of(results)
    assert len(effects.main) == math.prod(map(len, axes.values())) - 1
    fits = [least_squares(results, axes, key, seed) for seed in range(3)]
    for effect in effects.main:
        by_seed = [fit(effect.levels) for fit in fits]
        got = effect.on[key]
        assert math.log(got.change) == pytest.approx(np.mean(by_seed))
        half = 4.302653 * np.std(by_seed, ddof=1) / math.sqrt(3)  # Student's t at 97.5 %, two degrees of freedom
        assert math.log(got.low) == pytest.approx(np.mean(by_seed) - half, rel=1e-5)
        assert math.log(got.high) == pytest.approx(np.mean(by_seed) + half, rel=1e-5)


def test_effects_within_levels_are_means_over_the_arms_that_have_them():
    results = factorial(TWO)
    effects = effects_of(results)
    assert len(effects.within) == 3 * (2 * 2 + 4)  # within a level of one of two axes, and within one of each
    logs = log_errors(results, "energy_mae")
    for effect in effects.within:
        ((axis, level),) = effect.levels.items()
        by_seed = []
        for seed in range(3):
            sides: dict[str, list[float]] = {name: [] for name in TWO[axis]}
            for name, levels in names_of(TWO).items():
                if effect.within.items() <= levels.items():
                    sides[levels[axis]].append(logs[name, seed])
            by_seed.append(np.mean(sides[level]) - np.mean(sides[TWO[axis][0]]))
        assert math.log(effect.on["energy_mae"].change) == pytest.approx(np.mean(by_seed))
        assert effect.on["energy_mae"].p is not None


def test_an_interaction_is_the_ratio_of_effects_within_levels():
    effects = effects_of(factorial(TWO))
    both = found(effects, {"center": "centered", "output": "IReLU"})["energy_mae"].change
    at = {c: found(effects, {"output": "IReLU"}, {"center": c})["energy_mae"].change for c in TWO["center"]}
    assert both == pytest.approx(at["centered"] / at["raw"])


def test_p_values_are_corrected_within_their_table():
    effects = effects_of(factorial(TWO, spread=0.3))
    for table in (effects.main, [e for e in effects.within if len(e.within) == 1]):
        p = np.sort([c.p for e in table for c in e.on.values()])
        adjusted = np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]  # step-up, by hand
        assert np.sort([c.p_adjusted for e in table for c in e.on.values()]) == pytest.approx(np.minimum(adjusted, 1))


def test_a_diverged_run_takes_its_seed_from_the_effects_that_need_it():
    results = factorial(TWO, lost={("raw / own / IReLU", 1)})
    effects = effects_of(results)
    assert effects.incomplete == ("raw / own / IReLU",)
    assert {c.seeds for e in effects.main for c in e.on.values()} == {(0, 2)}
    output = {"output": "IReLU"}
    assert found(effects, output, {"center": "raw"})["forces_mae"].seeds == (0, 2)
    assert found(effects, output, {"center": "centered"})["forces_mae"].seeds == (0, 1, 2)
    assert found(effects, output, {"inside": "Mish"})["forces_mae"].seeds == (0, 1, 2)
    part = build_effects(results, gather(results)[0])
    assert "raw / own / IReLU did not finish with each seed" in part.sentences[0]
    first = part.tables[1].columns[1].cells[0].text
    assert first.endswith("(2 of 3 seeds)")


def test_an_arm_that_always_diverged_leaves_the_other_levels():
    lost = {("raw / own / own", seed) for seed in range(3)}
    results = factorial(TWO, lost=lost)
    effects = effects_of(results)
    assert all(c.change is None for e in effects.main for c in e.on.values())
    assert found(effects, {"output": "IReLU"}, {"center": "centered"})["energy_mae"].p is not None
    table = build_effects(results, gather(results)[0]).tables[0]
    assert {cell.text for cell in table.columns[1].cells} == {"–"}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_missing_arms_are_named_and_nothing_is_estimated(count, tmp_path):
    left_out = list(names_of(TWO))[2 : 2 + count]
    results = factorial(TWO, left_out=left_out)
    part = build_effects(results, gather(results)[0])
    assert part.tables == ()
    (sentence,) = part.sentences
    assert left_out[0] in sentence
    assert sentence.endswith("is missing." if count == 1 else "are missing.")
    assert ("and 2 more" in sentence) == (count == 5)
    write_report(results, tmp_path)
    assert sentence.split(":")[1].split("/")[0] in (tmp_path / "report.md").read_text()
    assert not (tmp_path / "effects.csv").exists()


@pytest.mark.parametrize("seeds", [0, 1])
def test_too_few_seeds_support_no_sentence_about_interactions(seeds):
    lost = {(arm, seed) for arm in names_of(TWO) for seed in range(seeds, 2)}
    results = factorial(TWO, seeds=2, lost=lost)
    part = build_effects(results, gather(results)[0])
    assert len(part.sentences) == 1
    assert "and 5 more did not finish with each seed" in part.sentences[0]
    assert len(part.tables) == 2 * seeds
    if seeds:
        assert "[" not in part.tables[0].columns[1].cells[0].text


def test_no_axes_no_effects():
    plain = study(runs("stock", [0.1, 0.2]), runs("irelu", [0.1, 0.2]))
    one_axis = factorial({"output": ("own", "IReLU", "Mish")})
    for results in (plain, one_axis):
        assert build_effects(results, gather(results)[0]) is None


def test_named_arms_beside_the_axes_do_not_count():
    results = factorial(TWO)
    more = study(results.records, runs("recipe", [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]), levels=results.levels)
    assert [e.on for e in effects_of(more).main] == [e.on for e in effects_of(results).main]


def test_an_axis_with_one_level_among_the_arms_is_none():
    effects = effects_of(factorial({"model size": ("small",), **TWO}))
    assert list(effects.grid.axes) == list(TWO)
    assert len(effects.main) == 7


def test_five_axes_have_pairs_only():
    axes = {f"axis {i}": ("off", "on") for i in range(5)}
    effects = effects_of(factorial(axes))
    assert [len(e.levels) for e in effects.main] == 5 * [1] + 10 * [2]


def test_values_that_may_be_zero_have_differences():
    levels = names_of({"a": ("0", "1"), "b": ("0", "1")})
    values = {"0 / 0": [0.0, 1.0], "1 / 0": [1.0, 3.0], "0 / 1": [0.0, 1.0], "1 / 1": [2.0, 2.0]}
    results = study(*(runs(name, values[name]) for name in levels), quantities=(ENERGY,), levels=levels)
    effects = effects_of(results)
    assert found(effects, {"a": "1"})["energy_mae"].change == pytest.approx(1.5)
    assert not found(effects, {"a": "1"})["energy_mae"].relative


def test_the_report_says_which_axes_interact(tmp_path):
    levels = names_of({"center": ("raw", "centered"), "output": ("own", "IReLU")})
    truth = {"raw / own": 1.0, "raw / IReLU": 1.1, "centered / own": 0.1, "centered / IReLU": 0.05}
    noise = np.exp(np.random.default_rng(0).normal(0, 0.01, (4, 3)))
    arms = [runs(name, truth[name] * noise[i], truth[name] * noise[i]) for i, name in enumerate(levels)]
    results = study(*arms, quantities=(ENERGY, FORCES), levels=levels)
    paths = write_report(results, tmp_path)
    assert tmp_path / "effects.csv" in paths
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for place in (text, page):
        assert "forces MAE: the effects of center and output depend on each other." in place
    row = next(line for line in text.splitlines() if line.startswith("| output: IReLU<br>where center: centered |"))
    assert row.startswith("| output: IReLU<br>where center: centered | −51 % \\[−53, −48\\] \\* |")
    assert text.index("## Errors") < text.index("## Effects") < text.index("## Plots")
    rows = list(csv.DictReader((tmp_path / "effects.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 2 * (3 + 4)
    only = next(r for r in rows if (r["within"], r["effect"], r["quantity"]) == ("", "output: IReLU", "energy_mae"))
    assert float(only["change"]) == pytest.approx(math.sqrt(1.1 * 0.5), rel=0.03)
    assert (only["order"], only["kind"], only["seeds"]) == ("1", "ratio", "3")

    without = study(*arms, quantities=(ENERGY, FORCES))
    write_report(without, tmp_path)
    assert not (tmp_path / "effects.csv").exists()
    assert "## Effects" not in (tmp_path / "report.md").read_text(encoding="utf-8")
