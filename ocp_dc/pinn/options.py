"""The options of a physics-informed training run: the blocks of ``configs/pinn/*.yml``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.json_schema import any_of, block, choices, first_line, number_schema
from ocp_dc.core.numbers import Number, count, finite_number
from ocp_dc.core.options import option, parse
from ocp_dc.nn import activation_schema
from ocp_dc.pinn.physics.tasks import all_loss_terms, task_names
from ocp_dc.surgery import DCOptions

INITIALIZERS = ("Glorot normal", "Glorot uniform", "He normal", "He uniform")
INITIAL_RMS = "initial_rms"
LARGEST_SEED = 2**32 - 1  # the limit of numpy
MOST_WEIGHTS = 10**9  # 4 GB, and the same again for each state of the optimizer
LARGEST = 1e15  # of scales and weights: single precision ends at 3e38, and losses are squares
MOST_POINTS = 10**8  # all are in memory at once
FOR_POTENTIALS = ("angle_gradients", "force_gradients", "allow_direct")
SEED = count(0, LARGEST_SEED, nullable=False)
ONE_OR_MORE = count(nullable=False)
POINTS = count(0, MOST_POINTS, nullable=False)


@dataclasses.dataclass(frozen=True)
class SolutionOptions:
    """The solution to train and test on: a file of PDEBench, or a generated one."""

    path: str | None = option(None, help="a file of PDEBench for this task; None generates a solution")
    sample: int = option(0, help="which solution of the file", number=count(0, nullable=False))
    share: float = option(
        0.3,
        help="the share of its points that L_data takes, in tasks with that term",
        number=Number(0, 1, above=True, nullable=False),
    )
    size: int | None = option(None, help="generated: points of the grid in each direction of space", number=count(2))
    times: int | None = option(None, help="generated: points of time", number=count(2))
    seed: int = option(0, help="generated: of the random initial values, where the task has them", number=SEED)


@dataclasses.dataclass(frozen=True)
class NetworkOptions:
    """The fully connected network before surgery."""

    hidden_layers: int = option(6, help="number of hidden layers", number=ONE_OR_MORE)
    width: int = option(40, help="features of each hidden layer", number=ONE_OR_MORE)
    activation: str | Mapping[str, Any] = option(
        "tanh", help="the original activation, any of ocp_dc.nn", schema=activation_schema()
    )
    initializer: str = option("Glorot normal", help="of the weights; the biases start at zero", choices=INITIALIZERS)
    batchnorm: str = option(
        "none", help="a BatchNorm1d before or after each hidden activation", choices=("none", "before", "after")
    )


@dataclasses.dataclass(frozen=True)
class RescalingOptions:
    """Label rescaling: every target and condition is divided by one constant."""

    scale: float | str = option(
        1.0,
        help="C in the units of the data, or initial_rms: the root mean square of all initial values",
        schema=any_of(number_schema(Number(1 / LARGEST, LARGEST, nullable=False)), choices([INITIAL_RMS])),
    )


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """The numbers of points that DeepXDE samples, once."""

    domain: int = option(1000, help="points inside", number=count(1, MOST_POINTS, nullable=False))
    boundary: int = option(1000, help="points on the boundary of space", number=POINTS)
    initial: int = option(5000, help="points at the initial time", number=POINTS)


@dataclasses.dataclass(frozen=True)
class OptimOptions:
    """The optimizer, over all points at once."""

    name: str = option("adam", help="DeepXDE's name of the optimizer", choices=("adam", "rmsprop", "sgd"))
    lr: float = option(1.0e-3, help="the learning rate, constant", number=Number(0, above=True, nullable=False))
    iterations: int = option(15000, help="updates of the weights", number=ONE_OR_MORE)


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
        top = parse(TopLevelOptions, config, "config")
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
            seed=top.seed,
            times=_times(top.times),
            report_every=top.report_every,
            checkpoint_every=top.checkpoint_every,
        )
        _check_numbers(options)
        return options


@dataclasses.dataclass(frozen=True)
class TopLevelOptions:
    """The top-level keys of a config, unparsed."""

    task: str | None = option(None, help="the name of the task", schema=choices(task_names()))
    as_published: bool = option(False, help="the published form of the equations, mistakes included")
    data: Mapping[str, Any] | None = option(None, help=first_line(SolutionOptions), block=SolutionOptions)
    network: Mapping[str, Any] | None = option(None, help=first_line(NetworkOptions), block=NetworkOptions)
    dc: Mapping[str, Any] | None = option(
        None, help="surgery, as for potentials: activation, region, elsewhere, denormalize, ...", block=DCOptions
    )
    label_rescaling: Mapping[str, Any] | None = option(None, help=first_line(RescalingOptions), block=RescalingOptions)
    sampling: Mapping[str, Any] | None = option(None, help=first_line(SamplingOptions), block=SamplingOptions)
    optim: Mapping[str, Any] | None = option(None, help=first_line(OptimOptions), block=OptimOptions)
    loss_weights: Mapping[str, Any] | None = option(
        None,
        help="a weight for each loss term that is not to have 1, by its name",
        schema=block(dict.fromkeys(all_loss_terms(), number_schema(Number(0, LARGEST, nullable=False)))),
    )
    seed: int = option(0, help="of the weights, the sampled points and dropout", number=SEED)
    times: Sequence[float] | None = option(
        None, help="the times of the images; the first, the middle and the last where None"
    )
    report_every: int = option(100, help="iterations from one row of losses.csv to the next", number=ONE_OR_MORE)
    checkpoint_every: int = option(1000, help="iterations from one checkpoint to the next", number=ONE_OR_MORE)
    smoke: Mapping[str, Any] | None = option(None, help="changes of `--budget smoke`, beside those of SMOKE")


TOP_LEVEL = tuple(field.name for field in dataclasses.fields(TopLevelOptions) if field.name != "smoke")


def _check_numbers(options: PinnOptions) -> None:
    data, network = options.data, options.network
    if data.path is not None and not isinstance(data.path, str):
        raise UserError(f"data.path: got {data.path!r}, expected the path of a file")
    if data.sample and data.path is None:
        raise UserError("data.sample: is of a file, and data.path names none; other generated data come by data.seed")
    if data.seed and data.path is not None:
        raise UserError("data.seed: is of generated solutions, and data.path names a file; choose by data.sample")
    for name in ("size", "times"):
        if getattr(data, name) is not None and data.path is not None:
            raise UserError(f"data.{name}: is of generated solutions, and data.path names a file; leave one out")
    weights = network.hidden_layers * network.width**2
    if weights > MOST_WEIGHTS:
        raise UserError(
            f"network: got {network.hidden_layers} hidden layers of width {network.width}, which have {weights:.1e} "
            f"weights, expected at most {MOST_WEIGHTS:.0e}"
        )
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
