"""Save the checkpoint after the validation and the step of the scheduler, with the states of the random generators.

fairchem saves a checkpoint before the validation and before scheduler.step(). A resumed run is therefore one step of
the schedule late, and has the previous best metric. The checkpoint has no random states either, so that dropout and
other random numbers differ after a resume. With this patch, a resumed run gives the same result as an uninterrupted
one. A checkpoint without random states, or from another number of ranks, is loaded as before.
"""

from __future__ import annotations

import plugin_source
from tree import Tree

MODULE = '''"""
Copyright (c) Meta, Inc. and its affiliates.

This source code is licensed under the MIT license found in the
LICENSE file in the root directory of this source tree.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


{get_random_states}


{set_random_states}
'''

SAVE = """                if checkpoint_every != -1 and self.step % checkpoint_every == 0:
                    self.save(checkpoint_file="checkpoint.pt", training_state=True)

"""

SAVE_LATER = """                # after the validation and the schedule, whose results a resumed run needs
                if checkpoint_every != -1 and self.step % checkpoint_every == 0:
                    self.save_training_state()

"""

METHODS = '''    def save_training_state(self) -> None:
        """Save checkpoint.pt with the random states of every rank"""
        self.random_states = distutils.gather_objects(get_random_states())
        self.save(checkpoint_file="checkpoint.pt", training_state=True)
        self.random_states = None

    def restore_random_state(self) -> None:
        """Restore the random states of the loaded checkpoint, once"""
        states, self.random_states = self.random_states, None
        if states is not None and len(states) == distutils.get_world_size():
            set_random_states(states[distutils.get_rank()])

'''


def edit(tree: Tree) -> None:
    """Save the checkpoint later, and with the random states."""
    names = ("get_random_states", "set_random_states")
    sources = {name: plugin_source.function("training/random_states.py", name) for name in names}
    tree.write("common/random_state.py", MODULE.format(**sources))
    _loop(tree, "trainers/ocp_trainer.py")
    _state(tree, "trainers/base_trainer.py")


def _loop(tree: Tree, path: str) -> None:
    tree.replace(path, SAVE, "")
    end_of_step = "                else:\n                    self.scheduler.step()\n\n"
    tree.replace(path, end_of_step, end_of_step + SAVE_LATER)
    end_of_epoch = (
        "            if checkpoint_every == -1:\n"
        '                self.save(checkpoint_file="checkpoint.pt", training_state=True)\n'
    )
    tree.replace(
        path, end_of_epoch, "            if checkpoint_every == -1:\n                self.save_training_state()\n"
    )
    iterator = "            train_loader_iter = iter(self.train_loader)\n"
    tree.replace(
        path,
        iterator,
        "            if skip_steps == 0:\n                self.restore_random_state()\n"
        f"{iterator}"
        "            # creating the iterator draws a random number; a run that stopped within the\n"
        "            # epoch drew it before its checkpoint\n"
        "            self.restore_random_state()\n",
    )


def _state(tree: Tree, path: str) -> None:
    registry = "from fairchem.core.common.registry import registry\n"
    tree.replace(
        path,
        registry,
        f"from fairchem.core.common.random_state import get_random_states, set_random_states\n{registry}",
    )
    attribute = "        self.primary_metric = None\n        self.ema = None\n"
    tree.replace(path, attribute, f"{attribute}        self.random_states = None\n")
    loaded = '            self.primary_metric = checkpoint.get("primary_metric", None)\n'
    tree.replace(path, loaded, f'{loaded}            self.random_states = checkpoint.get("random_states", None)\n')
    saved = '                        "best_val_metric": self.best_val_metric,\n'
    tree.replace(path, saved, f'{saved}                        "random_states": self.random_states,\n')
    save = "    def save(\n        self,\n        metrics=None,\n"
    tree.replace(path, save, METHODS + save)
