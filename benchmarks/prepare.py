"""Measure speed and memory of `prepare` on synthetic aspirin: frames per second, peak RSS, bytes per frame.

Usage: python benchmarks/prepare.py [--frames 100000]
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ASPIRIN = [6] * 9 + [8] * 4 + [1] * 8  # C9H8O4
MIB = 1 << 20


def write_aspirin(path: Path, frames: int) -> None:
    """Write atoms near grid points in the revised-MD17 layout, with energies like those of aspirin, in kcal/mol."""
    rng = np.random.default_rng(0)
    shape = (frames, len(ASPIRIN), 3)
    forces = rng.normal(scale=25.0, size=shape)
    grid = 1.5 * np.array(list(itertools.product(range(3), repeat=3))[: len(ASPIRIN)])
    np.savez(
        path,
        nuclear_charges=np.array(ASPIRIN, dtype=np.uint8),
        coords=grid + rng.uniform(-0.3, 0.3, size=shape),
        energies=rng.normal(-406_000.0, 6.0, size=frames),
        forces=forces - forces.mean(axis=1, keepdims=True),
    )


def peak_rss() -> float:
    """Return the peak memory of this process so far in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(source: Path, out: Path, frames: int) -> tuple[float, float, float]:
    """Split 80/10/10; return the time in s, and the peak RSS after the imports and at the end, in MiB."""
    from ocp_dc.data.prepare import prepare

    imported = peak_rss()
    started = time.perf_counter()
    held_out = frames // 10
    counts: dict[str, Any] = {"train": frames - 2 * held_out, "val": held_out, "test": held_out}
    prepare(source, out, format="rmd17", units="kcal/mol", progress=False, **counts)
    return time.perf_counter() - started, imported, peak_rss()


def main() -> None:
    """Write the synthetic file, prepare it in a separate process, and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    frames = parser.parse_args().frames
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "aspirin.npz"), Path(folder, "out")
        write_aspirin(source, frames)
        fresh = multiprocessing.get_context("spawn")  # a new process measures only its own peak
        with ProcessPoolExecutor(1, mp_context=fresh) as pool:
            seconds, imported, peak = pool.submit(measure, source, out, frames).result()
        size = sum(file.stat().st_size for file in out.rglob("data.lmdb"))
        print(f"{frames} frames of {len(ASPIRIN)} atoms, source {source.stat().st_size / MIB:.0f} MiB")
        print(f"time        {seconds:.1f} s, {frames / seconds:.0f} frames/s")
        print(f"peak RSS    {peak:.0f} MiB, of which {imported:.0f} MiB after the imports")
        print(f"LMDB size   {size / frames:.0f} bytes/frame")


if __name__ == "__main__":
    main()
