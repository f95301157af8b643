"""Measure gradient noise and curvature of the loss for the runs of a study, before training and at the best checkpoint.

Run: ``OMP_NUM_THREADS=1 python benchmarks/gradient_noise.py STUDY [--arms ARM ...] [--model schnet] [--csv OUT.csv]``,
where STUDY is a folder of `ocp-dc study run`. Prints a table: means over the seeds, with their standard deviations.

* Noise: the sum of the variances of minibatch gradients over the squared norm of the gradient over the training set.
* Curvature: the largest magnitude of an eigenvalue of the Hessian of the loss on the first batches, by power iteration
  with products of the Hessian and a vector. The loss has forces in it, so that these are third derivatives of the
  energy. IReLU's second derivative is a step: its third counts as zero, and the jump is not seen. Mean absolute errors
  have no curvature except where they are zero: what is measured is the curvature of energies and forces as functions
  of the weights.
* Curvature for Adam: the same of D^-1/2 H D^-1/2, where D is the root mean square of the minibatch gradients, by which
  Adam would divide its steps at these weights. It does not change if the loss is multiplied by a number.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ocp_dc.fairchem1  # noqa: F401  # isort: skip  # before fairchem, which cannot be imported without the hooks

import torch
from fairchem.core.common.utils import setup_imports
from torch.nn.functional import normalize

from ocp_dc.core.files import write_csv
from ocp_dc.core.yaml_config import read_yaml
from ocp_dc.evaluation.tables import mean_and_spread
from ocp_dc.fairchem1.infer.inference import silent_trainer

EPS = 1e-8  # Adam's
COLUMNS = ("noise", "curvature", "curvature for Adam")


def main() -> None:
    """Measure the runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--arms", nargs="+")
    parser.add_argument("--model", default="schnet")
    parser.add_argument("--batches", type=int, default=5, help="for the curvature")
    parser.add_argument("--iterations", type=int, default=20, help="of the power iteration")
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    setup_imports()
    rows = []
    for folder in sorted((args.study / "runs").iterdir()):
        run = json.loads((folder / "run.json").read_text())
        result = folder / "result.json"
        is_done = result.is_file() and json.loads(result.read_text())["status"] == "done"
        if is_done and run["model"] == args.model and (args.arms is None or run["arm"] in args.arms):
            rows += measure(folder, run, args.batches, args.iterations)
    if args.csv:
        write_csv(args.csv, rows)
    print(f"| arm | weights | seeds | {' | '.join(COLUMNS)} |\n|---|---|---|---|---|---|")
    for arm, weights in dict.fromkeys((row["arm"], row["weights"]) for row in rows):
        found = [row for row in rows if (row["arm"], row["weights"]) == (arm, weights)]
        texts = [mean_and_spread([row[name] for row in found]) for name in COLUMNS]
        print(f"| {arm} | {weights} | {len(found)} | {' | '.join(texts)} |")


def measure(folder: Path, run: dict[str, Any], used: int, iterations: int) -> list[dict[str, Any]]:
    """Return a row for the initial weights of a run, and one for its best checkpoint."""
    config = read_yaml(folder / "config.yml", "the config of a run")
    train = copy.deepcopy(config["dataset"]["train"])
    trainer = silent_trainer(config, train, cpu=True, seed=run["seed"], inference_only=False)
    trainer.fit_label_rescaling()
    parameters = [p for p in trainer.model.parameters() if p.requires_grad]

    def loss_of(batch: Any) -> torch.Tensor:
        return trainer._compute_loss(trainer._forward(batch), batch)

    rows = []
    (checkpoint,) = (folder / "checkpoints").glob("*/best_checkpoint.pt")
    for weights in ("initial", "trained"):
        if weights == "trained":
            trainer.load_checkpoint(str(checkpoint), inference_only=True)
        trainer.model.train()
        batches = list(trainer.train_loader)
        gradients = torch.stack(
            [flat_gradient(loss_of(batch), parameters) for batch in batches]
        ).double()  # [batches, P]
        mean_square = gradients.square().mean(dim=0).float()
        few = batches[:used]
        row = {"arm": run["arm"], "seed": run["seed"], "weights": weights, "noise": noise(gradients)}
        row["curvature"] = curvature(loss_of, few, parameters, iterations, torch.ones_like(mean_square))
        preconditioner = (mean_square.sqrt() + EPS).rsqrt()  # D^-1/2
        row["curvature for Adam"] = curvature(loss_of, few, parameters, iterations, preconditioner)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def flat_gradient(loss: torch.Tensor, parameters: Sequence[torch.Tensor], create_graph: bool = False) -> torch.Tensor:
    """Return the gradient as one vector, zero for parameters that the loss does not depend on."""
    gradients = torch.autograd.grad(loss, parameters, create_graph=create_graph, allow_unused=True)
    pairs = zip(gradients, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for g, p in pairs])


def noise(gradients: torch.Tensor) -> float:
    """Return the total variance of the gradients of minibatches, [batches, P], over the squared norm of their mean."""
    mean = gradients.mean(dim=0)
    variance = (gradients - mean).square().sum() / (len(gradients) - 1)
    return float(variance / mean.square().sum())


def curvature(
    loss_of: Callable[[Any], torch.Tensor],
    batches: Sequence[Any],
    parameters: Sequence[torch.Tensor],
    iterations: int,
    scale: torch.Tensor,
) -> float:
    """Return the largest magnitude of an eigenvalue of S H S, with a diagonal S and the Hessian H of the loss."""
    vector = normalize(torch.randn(len(scale), generator=torch.Generator().manual_seed(0)), dim=0)
    value = float("nan")
    for _ in range(iterations):
        product = torch.zeros_like(vector)
        for batch in batches:
            gradient = flat_gradient(loss_of(batch), parameters, create_graph=True)
            product += flat_gradient(gradient @ (scale * vector), parameters) / len(batches)
        product *= scale
        value = float(product.norm())
        vector = normalize(product, dim=0)
    return value


if __name__ == "__main__":
    main()
