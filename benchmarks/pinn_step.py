"""Time a step of physics-informed training: ocp_dc's losses against DeepXDE's, and activations against tanh.

Run: ``OMP_NUM_THREADS=1 python benchmarks/pinn_step.py`` (some minutes). The configs of the project with generated
data, and diffusion-sorption with the number of points of PDEBench's files; a step is the losses and their gradients,
without the optimizer. All cases of a row take turns in one process; the medians are compared as ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from training_step import medians

from ocp_dc import pinn
from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.deepxde.collocation import Collocation
from ocp_dc.pinn.deepxde.setup import set_up
from ocp_dc.pinn.options import PinnOptions
from ocp_dc.pinn.physics.tasks import task_names

CONFIGS = Path(__file__).parents[1] / "configs" / "pinn"
PDEBENCH = {"diffusion_sorption": ("--data.size=1024", "--data.times=101")}
ACTIVATIONS = {
    "tanh": (),
    "SiLU": ("--dc.activation=silu",),
    "IReLU": ("--dc.activation=irelu",),
    "ReLU integrated twice": ("--dc.activation=twice_integrated_relu",),
    "IReLU in the last layer": ("--dc.activation=irelu", "--dc.region=output"),
}


class Stock(Collocation):
    """Collocation with DeepXDE's losses on the same points."""

    losses = dde.data.TimePDE.losses


def stepper(task: str, overrides: Sequence[str] = (), stock: bool = False) -> tuple[Callable[[], None], int]:
    """Return a function that computes the losses and gradients of a config, and its number of points."""
    setup = set_up(PinnOptions.from_config(pinn.resolve(CONFIGS / f"{task}.yml", overrides)))
    data = setup.model.data
    if stock:
        data.__class__ = Stock

    def step() -> None:
        setup.net.zero_grad()
        setup.model.outputs_losses_train(data.train_x, data.train_y, None)[1].sum().backward()

    return step, len(data.train_x)


def main() -> None:
    """Print the tables."""
    print("| task | points | DeepXDE's losses, ms | ours, ms | ratio |\n|---|---|---|---|---|")
    for task in task_names():
        for overrides in ((), PDEBENCH[task]) if task in PDEBENCH else ((),):
            ours, points = stepper(task, overrides)
            times = medians({"stock": stepper(task, overrides, stock=True)[0], "ours": ours})
            stock, own = times["stock"], times["ours"]
            print(f"| {task} | {points} | {stock:.0f} | {own:.0f} | {stock / own:.2f} |", flush=True)
    for task in ("advection", "diffusion_sorption"):
        print(f"\n| {task} | ms | of tanh |\n|---|---|---|")
        times = medians({name: stepper(task, overrides)[0] for name, overrides in ACTIVATIONS.items()})
        for name, milliseconds in times.items():
            print(f"| {name} | {milliseconds:.0f} | {milliseconds / times['tanh']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
