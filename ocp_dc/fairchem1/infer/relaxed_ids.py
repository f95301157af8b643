"""Unique names for the structures that relaxations write; fairchem writes only one structure per sid."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any


class NamedApart:
    """Loader whose batches have unique names instead of sids that several structures share.

    Args:
        loader: the loader.
        shared: the shared sids, as text.
        fids_differ: whether sid and fid together identify a structure.
    """

    def __init__(self, loader: Any, shared: set[str], fids_differ: bool) -> None:
        self.loader, self.shared, self.fids_differ = loader, shared, fids_differ

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            batch.sid = [
                name if name not in self.shared else f"{name}_{fid}" if self.fids_differ else f"{name}#{record}"
                for name, fid, record in _identities(batch)
            ]
            yield batch


def named_apart(loader: Any, dataset: Any) -> Any:
    """Return a loader in which structures that share a sid are named ``SID_FID`` or ``SID#RECORD``.

    Trajectories get the same names. If no sid is shared, the loader itself is returned.

    Args:
        loader: the loader of the structures to relax.
        dataset: the data set of the loader.
    """
    known = [next(_identities(dataset[index])) for index in range(len(dataset))]
    shared = {name for name, count in Counter(name for name, *_ in known).items() if count > 1}
    fids_differ = len({(name, fid) for name, fid, _ in known}) == len(known)
    if not shared:
        return loader
    logging.warning(
        f"{len(shared)} sids belong to several structures to relax each, such as {min(shared)}: these are written as "
        f"{'SID_FID' if fids_differ else 'SID#RECORD'}"
    )
    return NamedApart(loader, shared, fids_differ)


def _identities(data: Any) -> Iterator[tuple[str, str, str]]:
    """Return sid, fid and record of each structure of a batch or of a sample, as text."""
    sids = _listed(data.sid)
    missing = [""] * len(sids)
    fids, records = (_listed(data[key]) if key in data else missing for key in ("fid", "id"))
    return zip(map(str, sids), map(str, fids), map(str, records), strict=True)


def _listed(values: Any) -> list[Any]:
    if hasattr(values, "flatten"):
        return list(values.flatten().tolist())
    return values if isinstance(values, list) else [values]
