"""One run in a process of its own: ``python -m ocp_dc.study.worker FOLDER``.

What ends it early leaves a folder that the next start goes on with, at the last checkpoint.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

from ocp_dc.core.errors import UserError
from ocp_dc.core.failures import message
from ocp_dc.core.files import write_json
from ocp_dc.core.orphans import end_with_parent
from ocp_dc.study.engines import engine
from ocp_dc.study.folders import RunFolder

FAILED = 3


def work(path: Path, cpu: bool = False) -> None:
    """Make one run, or go on with it, and write the result.

    Args:
        path: the run's folder, with ``run.json`` and ``config.yml`` in it.
        cpu: stay on the CPU where there is a GPU.

    Raises:
        UserError: another process works on the run, or what the config asks for cannot be done.
    """
    folder = RunFolder(path)
    with folder.locked():
        if folder.read("result.json") is not None:
            return
        folder.finish(engine(folder.description()["engine"]).run(folder, cpu))


def main(arguments: list[str] | None = None) -> int:
    """Run the process; return its exit status: 0 for a result, 3 for a failure, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--parent", type=int, help="end with this process")
    args = parser.parse_args(arguments)
    if args.parent is not None:
        end_with_parent(args.parent)
    try:
        work(args.folder, args.cpu)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        traceback.print_exc()
        note_failure(args.folder, error)
        return FAILED
    return 0


def note_failure(path: Path, error: Exception) -> None:
    """Write what made a run fail, beside its log."""
    try:
        write_json(path / "failure.json", {"message": message(error) or f"{type(error).__name__}: {error}"})
    except UserError as unwritable:  # the disk is full, say: the log may take it yet
        print(f"error: {unwritable}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
