"""The options of a physics-informed training run: the blocks of ``configs/pinn/*.yml``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.numbers import finite_number
from ocp_dc.core.options import option, parse
from ocp_dc.surgery import DCOptions

INITIALIZERS = ("Glorot normal", "Glorot uniform", "He normal", "He uniform")
INITIAL_RMS = "initial_rms"
LARGEST_SEED = 2**32 - 1  # the limit of numpy
MOST_WEIGHTS = 10**9  # 4 GB, and the same again for each state of the optimizer
LARGEST = 1e15  # of scales and weights: single precision ends at 3e38, and losses are squares
MOST_POINTS = 10**8  # all are in memory at once
FOR_POTENTIALS = ("angle_gradients", "force_gradients", "allow_direct")


@dataclasses.dataclass(frozen=True)
class SolutionOptions:
    """The solution to train and test on: a file of PDEBench, or a generated one."""

    path: str | None = option(None, help="a file of PDEBench for this task; None generates a solution")
    sample: int = option(0, help="which solution of the file")
    share: float = option(0.3, help="the share of its points that L_data takes, in tasks with that term")
    size: int | None = option(None, help="generated: points of the grid in each direction of space")
    times: int | None = option(None, help="generated: points of time")
    seed: int = option(0, help="generated: of the random initial values, where the task has them")


@dataclasses.dataclass(frozen=True)
class NetworkOptions:
    """The fully connected network before surgery."""

    hidden_layers: int = option(6, help="number of hidden layers")
    width: int = option(40, help="features of each hidden layer")
    activation: str | Mapping[str, Any] = option("tanh", help="the original activation, any of ocp_dc.nn")
    initializer: str = option("Glorot normal", help="of the weights; the biases start at zero", choices=INITIALIZERS)
    batchnorm: str = option(
        "none", help="a BatchNorm1d before or after each hidden activation", choices=("none", "before", "after")
    )


@dataclasses.dataclass(frozen=True)
class RescalingOptions:
    """Label rescaling: every target and condition is divided by one constant."""

    scale: float | str = option(
        1.0, help="C in the units of the data, or initial_rms: the root mean square of all initial values"
    )


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """The numbers of points that DeepXDE samples, once."""

    domain: int = option(1000, help="points inside")
    boundary: int = option(1000, help="points on the boundary of space")
    initial: int = option(5000, help="points at the initial time")


@dataclasses.dataclass(frozen=True)
class OptimOptions:
    """The optimizer, over all points at once."""

    name: str = option("adam", help="DeepXDE's name of the optimizer", choices=("adam", "rmsprop", "sgd"))
    lr: float = option(1.0e-3, help="the learning rate, constant")
    iterations: int = option(15000, help="updates of the weights")


@dataclasses.dataclass(frozen=True)
class PinnOptions:
    """All options of one training run, parsed."""

    task: str
    as_published: bool
    data: SolutionOptions
    network: NetworkOptions
    dc: DCOptions
    label_rescaling: RescalingOptions
    sampling: SamplingOptions
    optim: OptimOptions
    loss_weights: Mapping[str, float]
    seed: int
    times: tuple[float, ...] | None
    report_every: int
    checkpoint_every: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PinnOptions:
        """Read a config.

        Raises:
            UserError: a key or a value is not valid.
        """
        top = parse(_TopLevelOptions, config, "config")
        if not isinstance(top.task, str):
            raise UserError(f"task: got {top.task!r}, expected the name of a task, such as advection")
        options = cls(
            task=top.task,
            as_published=top.as_published,
            data=parse(SolutionOptions, top.data, "data"),
            network=parse(NetworkOptions, top.network, "network"),
            dc=_dc(top.dc),
            label_rescaling=parse(RescalingOptions, top.label_rescaling, "label_rescaling"),
            sampling=parse(SamplingOptions, top.sampling, "sampling"),
            optim=parse(OptimOptions, top.optim, "optim"),
            loss_weights=_weights(top.loss_weights),
            seed=count("seed", top.seed, least=0, most=LARGEST_SEED),
            times=_times(top.times),
            report_every=count("report_every", top.report_every),
            checkpoint_every=count("checkpoint_every", top.checkpoint_every),
        )
        _check_numbers(options)
        return options


@dataclasses.dataclass(frozen=True)
class _TopLevelOptions:
    """The top-level keys of a config, unparsed."""

    task: str | None = option(None, help="the name of the task")
    as_published: bool = option(False, help="the published form of the equations, mistakes included")
    data: Mapping[str, Any] | None = option(None, help="see SolutionOptions")
    network: Mapping[str, Any] | None = option(None, help="see NetworkOptions")
    dc: Mapping[str, Any] | None = option(
        None, help="surgery, as for potentials: activation, region, elsewhere, denormalize, ..."
    )
    label_rescaling: Mapping[str, Any] | None = option(None, help="see RescalingOptions")
    sampling: Mapping[str, Any] | None = option(None, help="see SamplingOptions")
    optim: Mapping[str, Any] | None = option(None, help="see OptimOptions")
    loss_weights: Mapping[str, Any] | None = option(
        None, help="a weight for each loss term that is not to have 1, by its name"
    )
    seed: int = option(0, help="of the weights, the sampled points and dropout")
    times: Sequence[float] | None = option(
        None, help="the times of the images; the first, the middle and the last where None"
    )
    report_every: int = option(100, help="iterations from one row of losses.csv to the next")
    checkpoint_every: int = option(1000, help="iterations from one checkpoint to the next")
    smoke: Mapping[str, Any] | None = option(None, help="changes of `--budget smoke`, beside those of SMOKE")


TOP_LEVEL = tuple(field.name for field in dataclasses.fields(_TopLevelOptions) if field.name != "smoke")


def count(name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """Return a whole number of the config.

    Raises:
        UserError: the value is not a whole number, below ``least`` or above ``most``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        limits = f"{least} or more" if most is None else f"from {least} to {most}"
        raise UserError(f"{name}: got {value!r}, expected a whole number, {limits}")
    return value


def _check_numbers(options: PinnOptions) -> None:
    path = options.data.path
    if path is not None and not isinstance(path, str):
        raise UserError(f"data.path: got {path!r}, expected the path of a file")
    if count("data.sample", options.data.sample, least=0) and path is None:
        raise UserError("data.sample: is of a file, and data.path names none; other generated data come by data.seed")
    if count("data.seed", options.data.seed, least=0, most=LARGEST_SEED) and path is not None:
        raise UserError("data.seed: is of generated solutions, and data.path names a file; choose by data.sample")
    if finite_number("data.share", options.data.share, positive=True) > 1:
        raise UserError(f"data.share: got {options.data.share!r}, expected a share of the points: at most 1")
    for name in ("size", "times"):
        if getattr(options.data, name) is not None:
            count(f"data.{name}", getattr(options.data, name), least=2)
            if path is not None:
                raise UserError(f"data.{name}: is of generated solutions, and data.path names a file; leave one out")
    layers = count("network.hidden_layers", options.network.hidden_layers)
    width = count("network.width", options.network.width)
    if layers * width**2 > MOST_WEIGHTS:
        raise UserError(
            f"network: got {layers} hidden layers of width {width}, which have {layers * width**2:.1e} weights, "
            f"expected at most {MOST_WEIGHTS:.0e}"
        )
    for field in dataclasses.fields(SamplingOptions):
        least = int(field.name == "domain")
        count(f"sampling.{field.name}", getattr(options.sampling, field.name), least, MOST_POINTS)
    count("optim.iterations", options.optim.iterations)
    finite_number("optim.lr", options.optim.lr, positive=True)
    scale = options.label_rescaling.scale
    if scale != INITIAL_RMS:
        hint = nearest(scale, [INITIAL_RMS]) if isinstance(scale, str) else ""
        if hint:
            raise UserError(f"label_rescaling.scale: got {scale!r}, expected a number or {INITIAL_RMS}.{hint}")
        number = finite_number("label_rescaling.scale", scale, positive=True, words=INITIAL_RMS)
        if not 1 / LARGEST <= number <= LARGEST:
            raise UserError(
                f"label_rescaling.scale: got {number:g}, expected from {1 / LARGEST:g} to {LARGEST:g}; beyond it "
                "float32 loses the labels"
            )


def _dc(block: Any) -> DCOptions:
    for name in FOR_POTENTIALS:
        if isinstance(block, Mapping) and name in block:
            raise UserError(f"dc.{name}: is for interatomic potentials; leave it out")
    return DCOptions.from_block(block, "dc")


def _weights(block: Any) -> dict[str, float]:
    if block is None:
        return {}
    if not isinstance(block, Mapping):
        raise UserError(f"loss_weights: got {block!r}, expected weights by the name of the term, such as {{L_f: 10}}")
    weights = {str(name): finite_number(f"loss_weights.{name}", value) for name, value in block.items()}
    for name, weight in weights.items():
        if weight < 0:
            raise UserError(f"loss_weights.{name}: got {weight:g}, expected zero or more")
        if weight > LARGEST:
            raise UserError(f"loss_weights.{name}: got {weight:g}, expected at most {LARGEST:g}")
    return weights


def _times(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise UserError(f"times: got {value!r}, expected a list of times, such as [0.0, 1.0, 2.0]")
    return tuple(finite_number("times", time) for time in value)
