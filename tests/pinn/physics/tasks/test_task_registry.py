"""Tasks by name, their options, and the derivatives that their equations hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.pinn.physics.derivative_orders import derivative_orders, derivative_table
from ocp_dc.pinn.physics.gradient import gradient
from ocp_dc.pinn.physics.tasks import all_loss_terms, task_class, task_names
from ocp_dc.testing.tolerances import assert_close

ORDERS = {
    "advection": {"u": {"x": 1, "t": 1}},
    "compressible_flow": {
        "density": {"x": 1, "t": 1},
        "velocity": {"x": 2, "t": 1},
        "pressure": {"x": 1, "t": 1},
    },
    "diffusion_sorption": {"u": {"x": 2, "t": 1}},
    "diffusion_reaction": {"u": {"x": 2, "y": 2, "t": 1}, "v": {"x": 2, "y": 2, "t": 1}},
    "shallow_water": {name: {"x": 1, "y": 1, "t": 1} for name in "huv"},
}


def test_names() -> None:
    assert task_names() == list(ORDERS)
    assert [task_class(name).name for name in task_names()] == task_names()
    with pytest.raises(UserError, match=r"unknown task 'advektion': expected one of .*Did you mean 'advection'"):
        task_class("advektion")


def test_loss_terms_of_all_tasks_by_kind() -> None:
    assert all_loss_terms() == (
        *("L_f", "L_fd", "L_fv", "L_fp", "L_fu", "L_fh"),
        *("L_IC", "L_ICd", "L_ICv", "L_ICp", "L_ICu", "L_ICh"),
        *("L_BC", "L_BCd", "L_BCv", "L_BCp", "L_BCu", "L_BCl", "L_BCr"),
        "L_data",
    )


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("name", ORDERS)
def test_derivative_orders(name: str, as_published: bool) -> None:
    expected = {field: dict(orders) for field, orders in ORDERS[name].items()}
    if name == "compressible_flow" and as_published:
        expected["velocity"]["x"] = 1  # inviscid
    task = task_class(name)(as_published=as_published)
    assert derivative_orders(task) == expected
    assert task.derivative_order == max(max(orders.values()) for orders in expected.values())
    rows = [row for row in derivative_table(as_published=as_published) if row["task"] == name]
    assert rows == [{"task": name, "field": field, **orders} for field, orders in expected.items()]


def test_dimensions() -> None:
    flat, deep = task_class("advection")(), task_class("shallow_water")()
    assert (flat.spatial_dimensions, flat.coordinates) == (1, ("x", "t"))
    assert (deep.spatial_dimensions, deep.coordinates) == (2, ("x", "y", "t"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0}, "scale: got 0, expected a finite positive number"),
        ({"scale": "1e3"}, "YAML reads numbers in quotes"),
        ({"data_share": 0.0}, "data_share: got 0.0, expected a finite positive number"),
        ({"data_share": 30}, "data_share: got 30, expected a share of the points: above 0 and at most 1"),
    ],
)
def test_wrong_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        task_class("diffusion_sorption")(**options)


def test_gradient() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64, requires_grad=True)
    by_x, by_t = gradient(x[:, :1] ** 2 * x[:, 1:], x)
    assert_close(by_x, 2 * x[:, :1] * x[:, 1:])
    assert_close(by_t, x[:, :1] ** 2)
    assert_close(gradient(by_x, x)[1], 2 * x[:, :1])


def test_derivatives_that_do_not_exist_are_zero() -> None:
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    linear = torch.nn.Linear(2, 1)
    first = gradient(torch.relu(linear(x)), x)[0]
    for derivative in (*gradient(first, x), *gradient(torch.ones(5, 1), x)):
        assert torch.equal(derivative, torch.zeros(5, 1))


def test_the_documented_table() -> None:
    text = (Path(__file__).parents[4] / "docs" / "pinn.md").read_text(encoding="utf-8")
    rows = [[str(row.get(column, "-")) for column in ("task", "field", "x", "y", "t")] for row in derivative_table()]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    assert f"|---|---|---|---|---|\n{table}\n" in text
