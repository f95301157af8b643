"""Evaluation of a potential by its compiled function where there is one, and eagerly elsewhere."""

from __future__ import annotations

import logging
import time
from typing import Any

import torch
from torch import Tensor

from ocp_dc import __version__
from ocp_dc.core.digests import content_digest
from ocp_dc.models.compilation import cache
from ocp_dc.models.compilation.compiled import CompiledPotential, check_equal
from ocp_dc.models.compilation.flatten import flatten
from ocp_dc.models.potential import Potential

MOST_FUNCTIONS = 3  # for ranges of sizes, see CompiledPotential
MISSES = 20  # training batches outside all ranges, before another function is compiled


class Accelerator:
    """The compiled functions of a potential, the first one compiled with the first training batch after :meth:`enable`.

    A potential holds it in an attribute. It is no part of the potential's state: a copy or a pickle has an empty one.
    """

    def __init__(self) -> None:
        self._enabled = False
        self._functions: list[CompiledPotential] = []
        self._misses = MISSES

    def __deepcopy__(self, memo: dict[int, Any]) -> Accelerator:
        return Accelerator()

    def __reduce__(self) -> tuple[type[Accelerator], tuple[()]]:
        return Accelerator, ()

    @property
    def is_compiled(self) -> bool:
        """Return whether there is a compiled function."""
        return bool(self._functions)

    def enable(self) -> None:
        """Compile with the next training batch."""
        self._enabled = True

    def energy_and_forces(
        self, potential: Potential[Any], numbers: Tensor, positions: Tensor, graph: Any
    ) -> tuple[Tensor, Tensor]:
        """Return what :meth:`Potential.energy_and_forces` returns, to rounding.

        The eager potential is used with automatic mixed precision, for positions that require a gradient, and for
        sizes that no compiled function is valid for, such as no edges, or a single structure among larger batches.
        """
        batch = (numbers, positions, graph)
        if not self._enabled or positions.requires_grad or torch.is_autocast_enabled(positions.device.type):
            return potential.energy_and_forces(*batch)
        for function in self._functions:
            if (found := function(*batch)) is not None:
                return found
        if potential.training and torch.is_grad_enabled() and all(tensor.numel() > 0 for tensor in flatten(graph)):
            self._misses += 1
            if self._misses > MISSES and len(self._functions) < MOST_FUNCTIONS:
                self._misses = 0
                compiled = self._compile(potential, *batch)
                if compiled is not None and (found := compiled(*batch)) is not None:
                    return found  # as in a run that compiled before this batch
        return potential.energy_and_forces(*batch)

    def _compile(self, potential: Potential[Any], *batch: Any) -> CompiledPotential | None:
        """Compile, and compare with the eager potential; after an error log a warning, and return None.

        If the code was in the cache, its files may be damaged: it is compiled once more, from the start.
        """
        start, key = time.monotonic(), cache_key(potential)
        for last in (False, True) if cache.is_warm(key) else (True,):
            try:
                with cache.compilation_cache(key), torch.random.fork_rng():
                    function = CompiledPotential(potential, *batch)
                    check_equal(function, potential, *batch)
                    function.finish()
            except Exception as error:  # torch's compilers raise errors of all kinds
                if last:
                    self._enabled = False
                    logging.warning(
                        "dc.accelerate: the model is not compiled, which changes nothing but the speed: "
                        f"{_in_short(error)}"
                    )
            else:
                self._functions.append(function)
                logging.info(
                    f"dc.accelerate: compiled in {time.monotonic() - start:.0f} s; energies, forces and gradients of "
                    "the first batch agree with those of the model that is not compiled"
                )
                return function
        return None


def cache_key(potential: Potential[Any]) -> str:
    """Return a digest of what compiled code depends on, besides the code of this package.

    Args:
        potential: the potential; its modules, sizes, dtypes and device count, its weights do not.
    """
    state = [*potential.named_parameters(), *potential.named_buffers()]
    content = {
        "model": f"{type(potential).__module__}.{type(potential).__qualname__} {potential!r}",
        "state": [f"{name} {tuple(value.shape)} {value.dtype} {value.device.type}" for name, value in state],
        "torch": torch.__version__,
        "ocp_dc": __version__,
    }
    return content_digest(content)[:32]


def _in_short(error: Exception) -> str:
    """Return the kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
