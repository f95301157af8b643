"""The decision whether a training run compiles its model.

``dc.accelerate: compile`` compiles where it is possible. ``auto`` also needs a run that is long enough to earn the time
of the compilation back, which is estimated from the first steps. Predictions, validations without training and
calculators are never compiled: a function compiled for training serves the validations of the same process.

The checkpoints of a run hold the decision of ``auto``, and a resumed run keeps it. Its numbers are those of the
uninterrupted run, bit for bit, if both run the same compiled code: on one machine while the code is in the cache, with
batches that one function covers. Otherwise, and with a checkpoint from before the decision, they agree to rounding.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable
from typing import Any, Protocol

from torch import nn

from ocp_dc.models.compilation import cache
from ocp_dc.models.compilation.accelerator import Accelerator, cache_key
from ocp_dc.models.compilation.requirements import machine_reason, model_reason
from ocp_dc.training.listeners import Listener, Losses
from ocp_dc.training.output import say
from ocp_dc.training.state import TrainingState

COLD, WARM = 1.4, 0.3  # seconds for each parameter, on two cores; WARM if the compiled code is in the cache
SHORTEST = 1500  # remaining steps; below, auto never compiles, whatever the state of the cache
SPEEDUP = 1.3  # a compiled step is faster than an eager one by 1.3 (DimeNet++, GemNet-dT) to 1.9 (SchNet)
TIMED = 5  # steps, after the first, that are timed for the decision


class Accelerated(Protocol):
    """A model of a host whose energies and forces are those of a potential, which can be compiled.

    Attributes:
        acceleration: the value of ``dc.accelerate``: off, native, compile or auto.
        potential: the potential.
        accelerator: its compiled functions.
    """

    @property
    def acceleration(self) -> str: ...  # noqa: D102
    @property
    def potential(self) -> Any: ...  # noqa: D102
    @property
    def accelerator(self) -> Accelerator: ...  # noqa: D102

    def host_only_reason(self) -> str | None:
        """Return why only the forward pass of fairchem computes the model, or None."""

    def compile_reason(self) -> str | None:
        """Return why the outputs cannot be compiled, as part of a sentence, or None."""


class AccelerationChoice(Listener):
    """Decide once, and say in one line of the log, whether the steps of a run are compiled.

    Args:
        total: the steps of the whole run.
        find: returns the part of a model that can be compiled, or None.
        logs: whether this process writes to the log.
        agree: returns the values of the first rank on every rank.
        now: returns the time in seconds.
    """

    def __init__(
        self,
        total: int,
        find: Callable[[nn.Module], Accelerated | None],
        logs: bool,
        agree: Callable[[list[float]], list[float]] = list,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._find = find
        self._logs = logs
        self._agree = agree
        self._now = now
        self._times: list[float] | None = None  # ends of the first steps, while they are timed

    def start(self, state: TrainingState) -> None:
        """Decide all that does not depend on the time of a step."""
        model = self._find(state.bare_model)
        if model is None or model.acceleration == "off":
            return
        wish = model.acceleration
        if (reason := model.host_only_reason()) is not None:
            level = logging.INFO if wish == "auto" else logging.WARNING
            self._log(wish, f"fairchem's forward pass computes the model: {reason}", level)
            return
        if wish == "native":
            return
        reason = self._reason(model, state)
        if reason is not None:
            expected = wish == "compile" or state.compiled
            self._log(wish, f"the model is not compiled: {reason}", logging.WARNING if expected else logging.INFO)
        elif wish == "compile" or state.compiled:
            model.accelerator.enable()
            why = "" if wish == "compile" else ", as before the checkpoint"
            self._log(wish, f"the first batch compiles the model, which takes a minute or more{why}")
        elif state.compiled is None and self._total - state.step < SHORTEST:
            self._log(wish, f"the model is not compiled: the run has fewer than {SHORTEST:,} steps")
        elif state.compiled is None:
            self._times = []
        else:
            self._log(wish, "the model is not compiled, as before the checkpoint")

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Time the first steps, and decide after the last of them."""
        if self._times is None:
            return
        self._times.append(self._now())
        if len(self._times) <= TIMED:
            return
        seconds = statistics.median(end - start for start, end in zip(self._times, self._times[1:], strict=False))
        self._times = None
        self._decide(state, self._agree([seconds])[0])

    def _reason(self, model: Accelerated, state: TrainingState) -> str | None:
        """Return why the model cannot be compiled, or None."""
        if (reason := model.compile_reason()) is not None:
            return reason
        if state.scaler is not None:
            return "--amp computes in mixed precision"
        return model_reason(model.potential) or machine_reason(next(model.potential.parameters()).device)

    def _decide(self, state: TrainingState, seconds: float) -> None:
        model = self._find(state.bare_model)
        assert model is not None  # else no step is timed
        steps = self._total - state.step
        warm = not cache.chosen_by_user() and cache.is_warm(cache_key(model.potential))
        cost = compile_seconds(model.potential, warm)
        gain = steps * seconds * (1 - 1 / SPEEDUP)
        estimate = (
            f"{steps:,} steps of {seconds:.3g} s remain, compiled ones save about {gain:.0f} s, and the compilation "
            f"takes about {cost:.0f} s{' from the cache' if warm else ''}"
        )
        state.compiled = self._agree([gain > cost])[0] > 0  # the cache of another rank may be cold
        if state.compiled:
            model.accelerator.enable()
            self._log("auto", f"the next batch compiles the model: {estimate}")
        else:
            self._log("auto", f"the model is not compiled: {estimate}")

    def _log(self, wish: str, text: str, level: int = logging.INFO) -> None:
        if self._logs and level == logging.INFO:
            say(f"dc.accelerate: {wish}: {text}")
        elif self._logs:
            logging.log(level, f"dc.accelerate: {wish}: {text}")


def compile_seconds(model: nn.Module, warm: bool) -> float:
    """Return an estimate of the time to compile a model, which grows with the number of its layers.

    Args:
        model: the model.
        warm: whether the compiled code is in the cache.
    """
    return (WARM if warm else COLD) * sum(1 for _ in model.parameters())
