"""Make one run in a separate process: ``python -m ocp_dc.study.worker FOLDER``.

If the process ends early, the next one continues the run from its last checkpoint.
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
from ocp_dc.study.engines import get_engine
from ocp_dc.study.folders import RunFolder

FAILED = 3


def work(path: Path, cpu: bool = False) -> None:
    """Start or continue one run, and write its result.

    Args:
        path: the run's folder, with ``run.json`` and ``config.yml``.
        cpu: use the CPU even if there is a GPU.

    Raises:
        UserError: another process works on the run, or the config asks for something that cannot be done.
    """
    folder = RunFolder(path)
    with folder.locked():
        if folder.read("result.json") is not None:
            return
        description = folder.description()
        folder.finish(get_engine(description["engine"], description.get("host")).run(folder, cpu))


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
    """Write the reason for a run's failure to its folder."""
    try:
        write_json(path / "failure.json", {"message": message(error) or f"{type(error).__name__}: {error}"})
    except UserError as unwritable:  # for example because the disk is full; stderr goes to the log
        print(f"error: {unwritable}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
