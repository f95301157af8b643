"""The operation: swap activations by region, take norms out, insert norms and dropout, and say what was done."""

from __future__ import annotations

from collections import Counter

from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.nn import activation, same_activation
from ocp_dc.surgery.insert import Forward, insert, make_norms
from ocp_dc.surgery.norms import RemovedNorm, remove_norms
from ocp_dc.surgery.options import DCOptions
from ocp_dc.surgery.regions import RegionTable, is_gate, select
from ocp_dc.surgery.report import Report, Swap
from ocp_dc.surgery.sites import Site, describe, find_sites


def operate(model: nn.Module, options: DCOptions, table: RegionTable, forward: Forward | None = None) -> Report:
    """Change ``model`` in place as the ``dc:`` block asks, and return what was done.

    Everything is checked before anything is changed. A second call with the same options changes nothing.

    Args:
        model: the model; its parameter names stay, and no random number is drawn.
        options: the ``dc:`` block.
        table: what the named regions mean for this model.
        forward: calls the model once, on any data, to find how wide the norms of ``insert_norm`` have to be; needed for
            these only.

    Raises:
        UserError: an unknown activation or region, a pattern that matches nothing, norms to remove where there are
            none and nothing else was asked for, or norms to insert where features have no one width.
    """
    options.check()
    sites = find_sites(model, table.activation_types)
    inside = select(sites, options.wanted_region, table)
    gates = [site for site in sites if is_gate(site, table)]
    outside = [site for site in sites if site not in inside and site not in gates]

    swaps: list[Swap] = []
    unchanged: list[str] = []
    kept: list[Site] = list(gates)
    planned: list[tuple[Site, nn.Module]] = []
    for chosen, wanted, is_inside in (
        (inside, options.wanted_activation, True),
        (outside, options.elsewhere, False),
    ):
        if wanted == "original":
            kept += chosen
            continue
        activation(wanted)  # an unknown name is an error also where nothing is chosen
        for group in _by_object(chosen, sites):
            new = activation(wanted)
            paths = [path for site in group for path in site.paths]
            if isinstance(group[0].current, nn.Module) and same_activation(group[0].current, new):
                unchanged.append(paths[0])
                continue
            swaps.append(Swap(paths[0], tuple(paths[1:]), describe(group[0].current), describe(new), is_inside))
            planned += [(site, new) for site in group]

    behind = select(sites, options.wanted_insert_region, table, "model.dc.insert_region")
    norms = {}
    if options.insert_norm != "none":
        if forward is None:
            raise UserError(
                "model.dc.insert_norm: the widths of the norms are found by a pass; give operate() a forward"
            )
        norms = make_norms(model, behind, forward)

    removed_before = any(isinstance(part, RemovedNorm) for part in model.modules())
    removals = remove_norms(model, options.denormalize, table.norm_types, options.norm_gain == "fitted")
    if options.denormalize != "none" and not (removals or removed_before or options.swaps or options.inserts):
        raise UserError(
            f"model.dc.denormalize: {options.denormalize!r} finds no such layer in {type(model).__name__}, and nothing "
            "else is asked for; leave the dc: block out to train the stock model"
        )
    for site, new in planned:
        site.put(new)
    insertions = insert(behind, norms, options.dropout)
    region = options.wanted_region
    return Report(
        region=region if isinstance(region, str) else tuple(region),
        swaps=tuple(swaps),
        removals=tuple(removals),
        unchanged=tuple(unchanged),
        kept=tuple((site.paths[0], describe(site.current)) for site in kept),
        insertions=tuple(insertions),
    )


def _by_object(chosen: list[Site], sites: list[Site]) -> list[list[Site]]:
    """Group chosen places that share one module object, so that it counts once and stays one object.

    An object that places outside the choice hold as well is no longer shared afterwards, and each chosen place counts
    (DimeNet++ has one activation in every block, of which a region may take the output blocks). A plain function is
    shared by nature.
    """
    holders = Counter(id(site.current) for site in sites)
    within = Counter(id(site.current) for site in chosen)
    groups: dict[int, list[Site]] = {}
    for site in chosen:
        key = id(site.current)
        whole = isinstance(site.current, nn.Module) and within[key] == holders[key]
        groups.setdefault(key if whole else id(site), []).append(site)
    return list(groups.values())
