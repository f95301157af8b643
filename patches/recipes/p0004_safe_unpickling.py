"""Read checkpoints with weights_only, and metadata and linear references without pickles.

Up to torch 2.5, torch.load runs any code that a file contains, and so does np.load with allow_pickle=True. Checkpoints,
scale files, normalizers, element references and data sets are often downloaded, and reading them should not run code of
their authors. All of them hold tensors, numbers and plain containers, which weights_only can read. Since torch 2.6 it
is the default; an explicit argument makes it apply to all versions.

Normalizers and references that a config gives as one file of pickled modules are not changed, as weights_only refuses
them.
"""

from __future__ import annotations

from tree import Tree

LOADS = {
    "common/relaxation/ase_utils.py": 'torch.load(checkpoint_path, map_location=torch.device("cpu"))',
    "common/utils.py": 'torch.load(checkpoint_path, map_location=torch.device("cpu"))',
    "modules/normalization/element_references.py": "torch.load(file)",
    "modules/normalization/normalizer.py": "torch.load(file)",
    "modules/scaling/compat.py": "torch.load(path)",
    "trainers/base_trainer.py": "torch.load(checkpoint_path, map_location=map_location)",
}


def edit(tree: Tree) -> None:
    """Pass weights_only to each torch.load of a user's file, and remove allow_pickle."""
    for path, call in LOADS.items():
        tree.replace(path, call, _weights_only(call, tree.text(path)))
    dataset = "datasets/base_dataset.py"
    tree.replace(
        dataset,
        "            lin_ref = torch.tensor(\n"
        '                np.load(self.config["lin_ref"], allow_pickle=True)["coeff"]\n            )\n',
        '            lin_ref = torch.tensor(np.load(self.config["lin_ref"])["coeff"])\n',
    )
    tree.replace(
        dataset,
        "            metadata_npzs.append(\n"
        '                np.load(self.config["metadata_path"], allow_pickle=True)\n            )\n',
        '            metadata_npzs.append(np.load(self.config["metadata_path"]))\n',
    )
    tree.replace(dataset, "np.load(metadata_file, allow_pickle=True)", "np.load(metadata_file)")


def _weights_only(call: str, text: str) -> str:
    """Return the call with one more argument, split over several lines if one would exceed 88 characters."""
    line = next(line for line in text.splitlines() if call in line)
    longer = call[:-1] + ", weights_only=True)"
    if len(line) - len(call) + len(longer) <= 88:
        return longer
    indent = " " * (len(line) - len(line.lstrip()))
    name, arguments = longer[:-1].split("(", 1)
    return f"{name}(\n{indent}    {arguments}\n{indent})"
