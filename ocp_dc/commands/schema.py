"""``ocp-dc schema``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

KINDS = ("run", "study", "search", "pinn")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "kind", choices=KINDS, help="run configs of the installed fairchem, studies, searches, or pinn tasks"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file to write; an older schema there is replaced")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a schema, or write it to a file."""
    from ocp_dc.core.json_schema import write_schema

    schema = _schema(args.kind)
    if args.out is None:
        print(json.dumps(schema, indent=2, ensure_ascii=False))
    else:
        write_schema(args.out, schema)
        print(f"written to {args.out}; first line of a config: # yaml-language-server: $schema={args.out}")
    return 0


def _schema(kind: str) -> dict[str, Any]:
    if kind == "study":
        from ocp_dc.study.schema import study_schema

        return study_schema()
    if kind == "search":
        from ocp_dc.study.schema import search_schema

        return search_schema()
    if kind == "pinn":
        from ocp_dc.pinn.schema import pinn_schema

        return pinn_schema()
    from ocp_dc.hosts import installed_host

    return installed_host().run_schema()
