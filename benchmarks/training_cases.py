"""Processes of the benchmarks: a training run and molecular dynamics, with fairchem alone or with ocp_dc.

A training run is the real one, of fairchem's main or of ``ocp-dc main``, which pauses between two steps to answer
commands. Modules are imported inside the functions, for importing ocp_dc.fairchem1 changes fairchem, and stock fairchem
must be left alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml
from host_config_case import fallbacks_alone, stock_main
from measure import PeakMemory

from ocp_dc.core.config_names import configs_folder
from ocp_dc.core.overrides import apply_override, merged
from ocp_dc.core.yaml_config import included_files, read_yaml

FOREVER = 10**9  # steps
SPLITS = ("train", "val")


def config_blocks(path: Path) -> dict[str, Any]:
    """Return the blocks of a config that ships, with the files that it includes."""
    blocks = read_yaml(path, "a config")
    included: Any = {}
    for name in included_files(blocks, path):
        included = merged(included, config_blocks(path.parent / name))
    found: dict[str, Any] = merged(included, {key: value for key, value in blocks.items() if key != "includes"})
    return found


def training_arguments(
    config: str, accelerate: str, data: Path, folder: Path, overrides: Sequence[str] = ()
) -> list[str]:
    """Write the config of a training run that never ends, and return its command line.

    Args:
        config: a config of configs/md17 with a ``dc:`` block, such as ``schnet-dc``.
        accelerate: the value of ``dc.accelerate``, or ``stock`` for fairchem's trainer with its own model and data set.
        data: the folder of the data, with train and val.
        folder: an existing folder for the config and for the run.
        overrides: further changes, such as ``--optim.batch_size=8``.
    """
    blocks = config_blocks(configs_folder() / "md17" / f"{config}.yml")
    blocks["dataset"] = {split: {**blocks["dataset"][split], "src": str(data / split)} for split in SPLITS}
    blocks["optim"] |= {"eval_every": FOREVER, "checkpoint_every": FOREVER, "max_epochs": 10**6}
    for override in overrides:
        apply_override(blocks, override)
    if accelerate == "stock":
        blocks["trainer"] = "ocp"
        blocks["model"] = {key: value for key, value in blocks["model"].items() if key != "dc"}
        blocks["model"]["name"] = blocks["model"]["name"].removeprefix("dc_")
        train = blocks["dataset"]["train"]
        blocks["dataset"]["train"] = {key: train[key] for key in train if key not in ("format", "transforms")}
        blocks["dataset"]["val"]["key_mapping"] = train["key_mapping"]
        blocks["optim"]["scheduler"] = "Null"  # fairchem's OneCycleLR cannot be configured without the number of steps
    else:
        blocks["model"]["dc"]["accelerate"] = accelerate
    path = folder / f"{config}-{accelerate}.yml"
    path.write_text(yaml.safe_dump(blocks))
    run = ["--mode", "train", "--cpu", "--config-yml", str(path), "--run-dir", str(folder), "--seed", "0"]
    return [*run, "--timestamp-id", path.stem, "--print-every", str(FOREVER)]


class Session:
    """Answers the commands of :class:`measure.Process` between the steps of a training loop.

    Args:
        connection: to the benchmark.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._left, self._since, self._started = 1, 0.0, time.perf_counter()
        self._steps = 0  # of the command in progress; 0 during the first step
        self._memory: PeakMemory | None = None

    def after_step(self, trainer: Any) -> None:
        """Count a step; at the last of a command send the answer, and wait for the next command."""
        self._left -= 1
        if self._left:
            return
        if self._memory is not None:
            answer: float = self._memory.stop()
            self._memory = None
        elif self._steps:
            answer = (time.process_time() - self._since) / self._steps
        else:
            answer = time.perf_counter() - self._started
        self._connection.send(answer)
        while not self._begin(trainer, *self._connection.recv()):
            pass

    def _begin(self, trainer: Any, command: str, *arguments: Any) -> bool:
        """Begin a command; return whether it needs training steps, and answer otherwise."""
        if command == "steps":  # the seconds of CPU time of each of so many training steps
            self._left = self._steps = arguments[0]
            self._since = time.process_time()
            return True
        if command == "memory":  # the peak memory of a training step
            self._left, self._memory = 1, PeakMemory(trainer.device)
            self._memory.start()
            return True
        if command == "validate":  # the seconds of CPU time of a validation
            start = time.process_time()
            trainer.validate(split="val", disable_tqdm=True)
            self._connection.send(time.process_time() - start)
        elif command == "save":  # the path of a checkpoint
            self._connection.send(trainer.save(checkpoint_file="checkpoint.pt", training_state=True))
        elif command == "end":
            raise SystemExit(0)
        return False


def serve_training(connection: Connection, accelerate: str, arguments: list[str]) -> None:
    """Train, and answer commands between the steps: ``steps``, ``memory``, ``validate`` and ``save``.

    Args:
        connection: to the benchmark.
        accelerate: ``stock`` for fairchem's main, anything else for ``ocp-dc main``.
        arguments: those of :func:`training_arguments`.
    """
    session = Session(connection)
    if accelerate == "stock":
        _pause_fairchem(session)
        stock_main(arguments)
    else:
        _pause_ours(session)
        from ocp_dc.cli import main

        main(["main", *arguments])


def _pause_fairchem(session: Session) -> None:
    """Let fairchem's loop pause after the optimizer's update of each step."""
    fallbacks_alone()
    from fairchem.core.trainers import OCPTrainer

    backward = OCPTrainer._backward

    def paused(trainer: Any, loss: Any) -> None:
        backward(trainer, loss)
        session.after_step(trainer)

    OCPTrainer._backward = paused


def _pause_ours(session: Session) -> None:
    """Let the loop of the trainer ``dc`` pause after the listeners of each step."""
    import ocp_dc.fairchem1
    from ocp_dc.fairchem1.train import loop
    from ocp_dc.training.listeners import Listener, Listeners

    assert ocp_dc.fairchem1  # registers the models
    make_listeners = loop.run_listeners

    def with_pauses(trainer: Any, clock: Any, total: int, reader: Any, bar: Any) -> Listeners:
        class Pause(Listener):
            def step(self, state: Any, losses: Any) -> None:
                session.after_step(trainer)

        return Listeners([make_listeners(trainer, clock, total, reader, bar), Pause()])

    loop.run_listeners = with_pauses


def serve_dynamics(connection: Connection, accelerate: str, checkpoint: str, structure: Mapping[str, Any]) -> None:
    """Answer ``steps`` with the seconds of CPU time of each of so many steps of molecular dynamics (NVE, 0.5 fs).

    Args:
        connection: to the benchmark.
        accelerate: ``stock`` for fairchem's calculator, anything else for ``ocp_dc.calculator``.
        checkpoint: the checkpoint.
        structure: ``numbers`` and ``positions`` (Å).
    """
    start = time.perf_counter()
    if accelerate == "stock":
        os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # fairchem 1.10 is older than torch's default
        fallbacks_alone()
        from fairchem.core.common.relaxation.ase_utils import OCPCalculator

        calculator = OCPCalculator(checkpoint_path=checkpoint, cpu=True)
    else:
        import ocp_dc

        calculator = ocp_dc.calculator(checkpoint, cpu=True)
    import numpy as np
    from ase import Atoms, units
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from ase.md.verlet import VelocityVerlet

    def dynamics() -> VelocityVerlet:
        atoms = Atoms(**structure)
        atoms.calc = calculator
        MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
        moving = VelocityVerlet(atoms, 0.5 * units.fs)
        moving.run(1)  # with the forces of the start
        return moving

    dynamics()
    connection.send(time.perf_counter() - start)
    while (message := connection.recv())[0] != "end":
        steps = message[1]
        moving = dynamics()
        since = time.process_time()
        moving.run(steps)
        connection.send((time.process_time() - since) / steps)
