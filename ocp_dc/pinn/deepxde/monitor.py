"""What happens between two updates of DeepXDE's training loop: reports, checkpoints, and the ends that come early."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable

import numpy as np
import torch
from tqdm import tqdm

from ocp_dc.core.errors import DivergenceError, UserError
from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.deepxde.checkpoint import State
from ocp_dc.pinn.deepxde.setup import Setup
from ocp_dc.pinn.folder import Folder
from ocp_dc.pinn.options import PinnOptions

ADVICE = "Lower optim.lr, lower the weight of this term in loss_weights, or use a smaller activation coefficient"

VANISHING = 1e-12  # of outputs; those of tanh start near 0.1


class Monitor(dde.callbacks.Callback):
    """Writes losses and checkpoints, keeps the best weights, and stops at values that are not finite or at Ctrl-C.

    DeepXDE evaluates all losses before its first update, and every ``report_every`` updates. A training that goes on
    gets its state back after that first evaluation, which random states and batch statistics therefore do not see.

    Args:
        setup: the training.
        options: of which ``report_every``, ``checkpoint_every`` and the number of iterations count.
        folder: where files go.
        state: where to go on, None for a fresh training.
        stop: tells whether to stop after this update.
        progress: show a bar where there is a terminal.
    """

    def __init__(
        self,
        setup: Setup,
        options: PinnOptions,
        folder: Folder,
        state: State | None,
        stop: Callable[[], bool],
        progress: bool = True,
    ) -> None:
        super().__init__()
        self.best_net: dict[str, torch.Tensor] = {}
        self.best_loss, self.best_iteration = float("inf"), 0
        self.stopped = False
        self._setup, self._options, self._folder, self._state, self._stop = setup, options, folder, state, stop
        self._digest = setup.data_digest
        self._bar = tqdm(
            total=options.optim.iterations, desc=options.task, unit="it", disable=None if progress else True
        )
        self._reported = (0, time.perf_counter())

    @property
    def iteration(self) -> int:
        """Updates so far."""
        return self.model.train_state.step

    def on_train_begin(self) -> None:
        """Take up the state of a training that goes on, or check and report where a fresh one begins."""
        if self._state is None:
            self._check()
            self._check_start(float(np.abs(self.model.train_state.y_pred_train).max()))
            self._report()
            return
        try:
            restore(self._setup, self._state)
        except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{self._folder.checkpoint}: does not fit its config ({error}); is it damaged?") from error
        self.best_net, self.best_loss = self._state.best_net, self._state.best_loss
        self.best_iteration = self._state.best_iteration
        self._reported = (self.iteration, time.perf_counter())
        self._bar.update(self.iteration)

    def on_epoch_end(self) -> None:
        """Check, report and save as the iteration asks for."""
        self._check()
        last = self.iteration == self._options.optim.iterations
        if last or self.iteration % self._options.report_every == 0:
            self._report()
        self._bar.update()
        self.stopped = self._stop() and not last
        if last or self.stopped or self.iteration % self._options.checkpoint_every == 0:
            self.snapshot().save(self._folder.checkpoint)
        if self.stopped:
            self.model.stop_training = True

    def on_train_end(self) -> None:
        """Close the bar."""
        self._bar.close()

    def snapshot(self) -> State:
        """Return where the training is."""
        return State(
            iteration=self.iteration,
            net=copy.deepcopy(self._setup.net.state_dict()),
            optimizer=copy.deepcopy(self.model.opt.state_dict()),
            rng=torch.get_rng_state(),
            cuda_rng=torch.cuda.get_rng_state() if _on_gpu(self._setup) else None,
            best_net=self.best_net,
            best_loss=self.best_loss,
            best_iteration=self.best_iteration,
            data_digest=self._digest,
        )

    def _check(self) -> None:
        bad = [name for name, value in self._setup.losses.values().items() if not abs(value) < float("inf")]
        if bad:
            self._bar.close()
            saved = self._folder.checkpoint
            last = f"the last good checkpoint is {saved}" if saved.is_file() else "no checkpoint was written before"
            raise DivergenceError(self.iteration, f"the loss {', '.join(bad)}", f"{last}. {ADVICE}")

    def _check_start(self, largest: float) -> None:
        """Refuse a start that no gradient can leave, and warn of one that it hardly can.

        Args:
            largest: the largest absolute output at all points.

        Raises:
            UserError: the final ReLU is 0 everywhere.
        """
        seed = self._options.seed
        if largest == 0 and self._setup.net.final is not None:
            self._bar.close()
            raise UserError(
                f"with seed {seed} the ReLU that ends the network is 0 at every point, so that no gradient passes it "
                f"and nothing can be learnt: take another seed, such as --seed {seed + 1}"
            )
        if largest < VANISHING:
            logging.warning(
                f"the network starts with outputs of {largest:.0e} at most, too small to learn from: powers in many "
                "layers. Give dc.region fewer activations (output is the last one), or raise dc.activation.coefficient"
            )

    def _report(self) -> None:
        values, total = self._setup.losses.values(), self._setup.losses.total()
        before, then = self._reported
        now, done = time.perf_counter(), self.iteration - before
        self._reported = (self.iteration, now)
        constants = {"lr": self.model.opt.param_groups[0]["lr"], "scale": self._setup.task.scale}
        row = {"iteration": self.iteration, **values, "total": total, **constants}
        self._folder.add_losses({**row, "seconds_per_iteration": (now - then) / done if done else ""})
        self._bar.set_postfix_str(f"loss {total:.3g}", refresh=False)
        if total < self.best_loss:
            self.best_net = copy.deepcopy(self._setup.net.state_dict())
            self.best_loss, self.best_iteration = total, self.iteration


def restore(setup: Setup, state: State) -> None:
    """Put a training where a checkpoint says."""
    setup.net.load_state_dict(state.net)
    setup.model.opt.load_state_dict(state.optimizer)
    setup.model.train_state.step = setup.model.train_state.iteration = state.iteration
    torch.set_rng_state(state.rng)
    if state.cuda_rng is not None and _on_gpu(setup):
        torch.cuda.set_rng_state(state.cuda_rng)


def _on_gpu(setup: Setup) -> bool:
    return next(setup.net.parameters()).device.type == "cuda"
