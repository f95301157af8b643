"""Whether two runs began with the same weights, by the records that the trainer leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ocp_dc.errors import UserError


@dataclass(frozen=True)
class InitialWeights:
    """What ``results/ID/initial_weights.json`` holds.

    Args:
        sha256: a digest of all parameters: equal where names and weights are.
        numbers: how many numbers the parameters are.
        parameters: the first 8 digits of each parameter's digest, by name.
    """

    sha256: str
    numbers: int
    parameters: dict[str, str]


def read_initial_weights(path: str | Path) -> InitialWeights:
    """Read the record of a run.

    Raises:
        UserError: there is no such file, or it holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: got no such file, expected the initial_weights.json of a run")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        parameters = {str(name): str(digest) for name, digest in record["parameters"].items()}
        return InitialWeights(str(record["sha256"]), int(record["numbers"]), parameters)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path}: got no record of initial weights ({error!r}), expected what the trainer writes"
        ) from error


def differing_parameters(first: InitialWeights, second: InitialWeights) -> list[str]:
    """Return the names of the parameters that both have with other weights; empty where they began alike.

    What only one of them has, such as the parameters of a norm that the other lacks, does not count.

    Raises:
        UserError: they share no parameter, so that there is nothing to compare.
    """
    shared = sorted(first.parameters.keys() & second.parameters.keys())
    if not shared:
        raise UserError("got records of runs that share no parameter, expected runs of one model")
    return [name for name in shared if first.parameters[name] != second.parameters[name]]
