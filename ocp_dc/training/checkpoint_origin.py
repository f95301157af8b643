"""Find which host wrote a checkpoint, without unpickling it."""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path

CHECKPOINT_CLASS = "fairchem.core.units.mlip_unit.api.inference.MLIPInferenceCheckpoint"
LARGEST_PICKLE = 16 << 20  # bytes of the record that is searched; weights are in other records


def host_of_checkpoint(path: str | Path) -> str | None:
    """Return ``fairchem1`` or ``fairchem2``; None for a file that is no checkpoint of either.

    An inference checkpoint of fairchem 2 is an object of one class, a checkpoint of fairchem 1 is a dict. The names in
    the pickle are read, and nothing is imported or run.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            records = [entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl")]
            if len(records) != 1 or records[0].compress_type != zipfile.ZIP_STORED:
                return None
            if records[0].file_size > LARGEST_PICKLE:
                return None
            opcodes = pickletools.genops(archive.read(records[0]))
            names = {str(argument).replace(" ", ".") for opcode, argument, _ in opcodes if opcode.name == "GLOBAL"}
    except Exception:  # the host that reads the file says what is wrong with it
        return None
    return "fairchem2" if CHECKPOINT_CLASS in names else "fairchem1"
