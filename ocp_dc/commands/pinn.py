"""``ocp-dc pinn train`` and ``ocp-dc pinn data``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ocp_dc.commands.actions import Actions


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of the command."""
    actions = Actions(parser, "train", "data")
    add = actions.add(
        "train", train_task, "train a physics-informed task, or resume its run", takes_overrides=True
    ).add_argument
    add("config", help="a file, or a name such as pinn/advection; overrides such as --dc.activation=irelu may follow")
    add("--out", type=Path, required=True, metavar="DIR", help="the output folder; an unfinished run there is resumed")
    add("--budget", default="full", metavar="B", help="full, or smoke: a test of a few seconds")
    add("--seed", type=int, metavar="S", help="replaces the seed of the config")
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    add = actions.add("data", make_data_file, "generate data for a task, in PDEBench's file layout").add_argument
    add("task", help="advection, compressible_flow, diffusion_sorption, diffusion_reaction or shallow_water")
    add("out", type=Path, help="the file, such as data/advection.hdf5, or a folder for a file with PDEBench's name")
    add("--size", type=int, metavar="N", help="cells in each direction (default: 128, in two dimensions 32)")
    add("--times", type=int, metavar="N", help="instants (default: 41, in two dimensions 21)")
    add("--samples", type=int, default=1, metavar="N", help="number of solutions (default: 1)")
    add("--seed", type=int, default=0, metavar="S", help="of the first initial condition (default: 0)")


def train_task(args: argparse.Namespace) -> int:
    """Train a task, and print its errors."""
    from ocp_dc.pinn import train

    logging.basicConfig(format="warning: %(message)s")
    errors = train(args.config, args.out, args.overrides, args.budget, args.seed, args.cpu)
    for field, values in (*errors["fields"].items(), ("mean over fields", errors["overall"])):
        if field in errors["fields"] or len(errors["fields"]) > 1:
            print(f"{field}: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()))
    print(f"over the last {errors['time_steps']} time steps, with the last weights; written to {args.out}")
    return 0


def make_data_file(args: argparse.Namespace) -> int:
    """Generate the data of a task."""
    from ocp_dc.pinn.data import make_data

    print(f"written to {make_data(args.task, args.out, args.seed, args.size, args.times, args.samples)}")
    return 0
