"""Each condition, by the name of its loss term, holds for fields that obey it and for no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from sympy import Rational, cos, exp, pi, sin

from ocp_dc.core.errors import UserError
from ocp_dc.pinn.data import generate
from ocp_dc.pinn.deepxde.conditions import build_conditions, build_geometry
from ocp_dc.pinn.physics.solution import Solution
from ocp_dc.pinn.physics.task import Task
from ocp_dc.pinn.physics.tasks import task_class, task_names
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.manufactured import T, X, Y, errors, solution

pytestmark = pytest.mark.usefixtures("float64")

PERIODIC = exp(sin(pi * X - T))
# fields that obey every condition; not all of them obey the equations, which other tests are for
FIELDS = {
    "advection": [exp(sin(2 * pi * (X - T / 10)))],
    "compressible_flow": [2 + PERIODIC, PERIODIC**2 - 1, 3 - PERIODIC / 2],
    "diffusion_sorption": [1 - X / Rational("1.0005")],
    "diffusion_reaction": [cos(pi * X) * cos(2 * pi * Y) * exp(-T), cos(2 * pi * X) + T * cos(pi * Y)],
    "shallow_water": [3 + cos(2 * pi * X / 5) * cos(2 * pi * Y / 5), T * cos(4 * pi * X / 5), -T * cos(2 * pi * Y / 5)],
}
TERMS = {
    "advection": ["L_IC", "L_BC"],
    "compressible_flow": ["L_ICd", "L_ICv", "L_ICp", "L_BCd", "L_BCv", "L_BCp"],
    "diffusion_sorption": ["L_IC", "L_BCl", "L_BCr", "L_data"],
    "diffusion_reaction": ["L_ICu", "L_ICv", "L_BCu", "L_BCv", "L_data"],
    "shallow_water": ["L_ICh", "L_ICu", "L_ICv", "L_BC", "L_data"],
}
WRONG = 1 + X / 3 + Y**2 / 5 + X**2 / 7 + T  # neither periodic, nor without slope at a border, nor zero at t = 0


def conditions(name: str, fields: list[Any], **options: Any) -> dict[str, Any]:
    task = task_class(name)(**options)
    return build_conditions(task, solution(task, fields), seed=0)


def largest(name: str, condition: Any, fields: list[Any], **options: Any) -> float:
    return float(errors(task_class(name)(**options), condition, fields).abs().max())


def changed(fields: list[Any], by: Any = WRONG) -> list[Any]:
    two_dimensions = any(Y in sympy.sympify(field).free_symbols for field in fields)
    return [field + (by if two_dimensions else by.subs(Y, 0)) for field in fields]


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("name", TERMS)
def test_conditions_hold_for_their_fields_alone(name: str, scale: float) -> None:
    fields = FIELDS[name]
    found = conditions(name, fields, scale=scale)
    assert list(found) == TERMS[name]
    for term, condition in found.items():
        right = errors(task_class(name)(scale=scale), condition, fields)
        assert_close(right, torch.zeros_like(right))
        assert largest(name, condition, changed(fields), scale=scale) > 0.01 / scale, term


@pytest.mark.parametrize("name", TERMS)
def test_errors_are_divided_by_the_scale(name: str) -> None:
    wrong = changed(FIELDS[name])
    plain, scaled = (conditions(name, FIELDS[name], scale=scale) for scale in (1.0, 50.0))
    for term, condition in plain.items():
        expected = largest(name, condition, wrong)
        assert largest(name, scaled[term], wrong, scale=50.0) * 50 == pytest.approx(expected), term


def test_velocity_is_periodic_with_its_slope() -> None:
    kinked = [*FIELDS["compressible_flow"]]
    kinked[1] += X**2  # alike at both ends, its slope is not
    found = conditions("compressible_flow", FIELDS["compressible_flow"])
    error = errors(task_class("compressible_flow")(), found["L_BCv"], kinked)
    assert error.shape[1] == 2
    assert_close(error[:, 0], torch.zeros_like(error[:, 0]))
    assert_close(error[:, 1].abs(), torch.full_like(error[:, 1], 4))


def test_every_field_has_its_own_condition() -> None:
    terms = {"compressible_flow": "dvp", "diffusion_reaction": "uv"}
    for name, letters in terms.items():
        found = conditions(name, FIELDS[name])
        for i, letter in enumerate(letters):
            fields = [*FIELDS[name]]
            fields[i] = changed(fields)[i]
            for term, condition in found.items():
                if term != "L_data":
                    assert (largest(name, condition, fields) > 1e-3) == term.endswith(letter), (term, letter)


def test_compressible_flow_as_published_binds_the_density_three_times() -> None:
    found = conditions("compressible_flow", FIELDS["compressible_flow"], as_published=True)
    assert list(found) == TERMS["compressible_flow"]
    density, velocity, pressure = FIELDS["compressible_flow"]
    others = [density, velocity + X, pressure + X]
    for term in ("L_BCd", "L_BCv", "L_BCp"):
        assert largest("compressible_flow", found[term], others) < 1e-9
        assert largest("compressible_flow", found[term], [density + X, velocity, pressure]) == pytest.approx(2)


def test_diffusion_sorption_as_published() -> None:
    fields = FIELDS["diffusion_sorption"]
    found = conditions("diffusion_sorption", fields, as_published=True)
    assert list(found) == TERMS["diffusion_sorption"]
    below_zero = [1 - X / Rational("0.9995")]
    assert largest("diffusion_sorption", found["L_BCr"], below_zero, as_published=True) < 1e-9
    assert largest("diffusion_sorption", found["L_BCr"], fields, as_published=True) == pytest.approx(1e-3, rel=1e-2)
    assert largest("diffusion_sorption", found["L_IC"], [T]) < 1e-9
    assert largest("diffusion_sorption", found["L_IC"], [sympy.Integer(1)]) == 1


def test_diffusion_reaction_as_published() -> None:
    u, v = FIELDS["diffusion_reaction"]
    found = conditions("diffusion_reaction", [u, v], as_published=True)
    assert list(found) == ["L_BC", "L_ICu", "L_ICv", "L_BCu", "L_BCv"]
    wrong_u, wrong_v = [u + WRONG, v], [u, v + WRONG]
    for term, wrong, unseen in (
        ("L_BC", wrong_u, wrong_v),
        ("L_BCu", wrong_u, wrong_v),
        ("L_BCv", wrong_v, wrong_u),
    ):
        assert largest("diffusion_reaction", found[term], [u, v]) < 1e-9
        assert largest("diffusion_reaction", found[term], unseen) < 1e-9
        assert largest("diffusion_reaction", found[term], wrong) > 0.1
    assert len(found["L_BCu"].points) == round(0.3 * 6 * 6 * 5)


def test_shallow_water_as_published_leaves_velocities_free_at_the_border() -> None:
    h, u, v = FIELDS["shallow_water"]
    found = conditions("shallow_water", [h, u, v], as_published=True)
    assert list(found) == TERMS["shallow_water"]
    assert largest("shallow_water", found["L_BC"], [h, u + WRONG, v + WRONG]) < 1e-9
    assert largest("shallow_water", found["L_BC"], [h + WRONG, u, v]) > 0.1


def test_advection_as_published_is_the_same() -> None:
    assert list(conditions("advection", FIELDS["advection"], as_published=True)) == TERMS["advection"]


@pytest.mark.parametrize("name", ["diffusion_sorption", "diffusion_reaction", "shallow_water"])
def test_training_points_are_drawn_by_the_seed(name: str) -> None:
    task = task_class(name)(data_share=0.25, scale=4.0)
    data = solution(task, FIELDS[name])
    first, again, other = (build_conditions(task, data, seed=seed)["L_data"] for seed in (1, 1, 2))
    assert len(first) == round(0.25 * len(data.points))
    assert np.array_equal(first.points, again.points)
    assert not np.array_equal(first.points, other.points)
    by_point = {tuple(point): value / 4 for point, value in zip(data.points, data.values, strict=True)}
    assert len({tuple(point) for point in first.points}) == len(first)
    for point, value in zip(first.points, first.values.numpy(), strict=True):
        assert by_point[tuple(point)] == pytest.approx(value)


def test_all_of_the_data_and_at_least_one_point() -> None:
    for share, count in ((1.0, 6 * 5), (1e-6, 1)):
        assert len(conditions("diffusion_sorption", FIELDS["diffusion_sorption"], data_share=share)["L_data"]) == count


def other(data: Solution, **changes: Any) -> Solution:
    kept = {"task": data.task, "axes": data.axes, "fields": data.fields, "parameters": data.parameters}
    return Solution(**{**kept, **changes})


def test_wrong_data_are_refused() -> None:
    task = task_class("compressible_flow")()
    good = solution(task, FIELDS["compressible_flow"])
    half = {**good.axes, "x": (good.axes["x"] + 1) / 2}
    for data, message in (
        (other(good, task="advection"), "got data of the task 'advection'"),
        (other(good, fields={"density": good.fields["density"]}), "lack velocity, pressure"),
        (other(good, axes=half), r"x runs from 0\.08.* to 0\.91.*, expected -1 to 1"),
        (other(good, axes={**good.axes, "t": 2 * good.axes["t"]}), "t runs from 0 to 2, expected 0 to 1"),
        (other(good, axes={**good.axes, "t": 0.5 + good.axes["t"] / 4}), "t runs from 0.5 to 0.75"),
        (other(good, parameters={"eta": 0.1}), "the data have eta = 0.1, the equations 1e-08"),
    ):
        with pytest.raises(UserError, match=message):
            task.check(data)
    task.check(other(good, parameters={}))
    task.check(other(good, parameters={"eta": float(np.float32(1e-8)), "mach": 3.0}))


@pytest.mark.parametrize("name", TERMS)
def test_conditions_are_not_built_from_data_of_another_task(name: str) -> None:
    task = task_class(name)()
    data = other(solution(task, FIELDS[name]), task="another")
    with pytest.raises(UserError, match="got data of the task 'another'"):
        build_conditions(task, data, seed=0)


def test_coefficients_that_the_data_do_not_tell_are_named(caplog: pytest.LogCaptureFixture) -> None:
    task = task_class("compressible_flow")()
    good = solution(task, FIELDS["compressible_flow"])
    task.check(other(good, parameters={"eta": 1e-8}))
    assert [record.getMessage() for record in caplog.records] == [
        "task compressible_flow: the data do not contain zeta; assumed: zeta = 1e-08"
    ]


@pytest.mark.parametrize("name", task_names())
def test_generated_data_tell_every_coefficient(name: str, caplog: pytest.LogCaptureFixture) -> None:
    task_class(name)().check(generate(name, 16, 5))
    assert not caplog.records


@pytest.mark.parametrize("speed", [0.2, 0.4, 1.0, -0.1])
@pytest.mark.parametrize("waves", [1, 5])
def test_advection_at_another_speed_is_refused_though_the_file_tells_none(speed: float, waves: int) -> None:
    data, task = generate("advection", 128, 41), task_class("advection")()
    task.check(other(data, parameters={}))
    x, t = data.axes["x"], data.axes["t"][:, None]
    moved = np.sin(2 * np.pi * waves * (x - speed * t)) + 0.3
    with pytest.raises(UserError, match=r"not their initial values moved by beta t with beta = 0\.1"):
        task.check(other(data, parameters={}, fields={"u": moved}))


def residual_list(task: Task) -> Callable[[torch.Tensor, torch.Tensor], list[torch.Tensor]]:
    return lambda x, y: list(task.residuals(x, y).values())


@pytest.mark.parametrize("name", task_names())
def test_deepxde_takes_a_task(name: str) -> None:
    import deepxde as dde

    for as_published in (False, True):
        task = task_class(name)(as_published=as_published)
        terms = build_conditions(task, solution(task, FIELDS[name]), seed=0)
        net = dde.nn.FNN([len(task.coordinates), 8, len(task.fields)], "tanh", "Glorot normal")
        names = [*task.residuals(points := torch.zeros(1, len(task.coordinates), requires_grad=True), net(points))]
        data = dde.data.TimePDE(
            build_geometry(task),
            residual_list(task),
            list(terms.values()),
            num_domain=12,
            num_boundary=12,
            num_initial=12,
        )
        model = dde.Model(data, net)
        model.compile("adam", lr=1e-3, verbose=0)
        history, _ = model.train(iterations=2, display_every=1, verbose=0)
        assert task.loss_terms() == (*names, *terms)
        assert len(history.loss_train[-1]) == len(names) + len(terms)
        assert np.isfinite(history.loss_train).all()
