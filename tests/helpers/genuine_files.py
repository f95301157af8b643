"""Files as PDEBench's own scripts write them, at small size, by h5py alone: not by the writer under test."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

CONFIG = """work_dir: /somewhere
output_path: 2D_rdb_NA_NA
sim:
  T_end: 1.0
  n_time_steps: 100
  xdim: 128
  gravity: 1.0
  dam_radius: 0.6412
  inner_height: 2.0
  D: 5E-4
  por: 0.29
  Du: '1E-3'
  seed: 3
plot:
  dim: 2
"""


def stacked(path: Path, keys: tuple[str, ...], attributes: dict[str, float]) -> dict[str, np.ndarray]:
    """Data_Merge.py: (N, T, X) float32, contiguous; one instant too many in the coordinates."""
    generator = np.random.default_rng(0)
    values = {key: generator.standard_normal((4, 5, 6)).astype(np.float32) for key in keys}
    values["x-coordinate"] = ((np.arange(6) + 0.5) / 6).astype(np.float32)
    values["t-coordinate"] = (np.arange(6) * 0.01).astype(np.float32)
    with h5py.File(path, "w") as file:
        for key, value in values.items():
            file.create_dataset(key, data=value)
        file.attrs.update(attributes)
    return values


def grouped(path: Path, channels: int, dimensions: int, root_config: bool = False) -> dict[str, np.ndarray]:
    """gen_*.py: a group for each sample, lzf; the configuration as text, in the group or in the root."""
    generator = np.random.default_rng(0)
    lengths = {"t": 5, "x": 6, "y": 7}
    axes = {axis: np.linspace(0.0, 1.0, lengths[axis]).astype(np.float32) for axis in ("t", "x", "y")[: dimensions + 1]}
    values = {}
    with h5py.File(path, "w") as file:
        for sample in ("0000", "0001", "0002"):
            shape = (*(len(points) for points in axes.values()), channels)
            values[sample] = generator.standard_normal(shape).astype(np.float32)
            file.create_dataset(f"{sample}/data", data=values[sample], dtype="float32", compression="lzf")
            for axis, points in axes.items():
                file.create_dataset(f"{sample}/grid/{axis}", data=points, dtype="float32", compression="lzf")
            if root_config:
                file.attrs[f"{sample}/config"] = CONFIG
            else:
                file[sample].attrs["config"] = CONFIG
    return {**values, **axes}
