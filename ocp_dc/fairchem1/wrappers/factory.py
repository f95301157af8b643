"""The factory of wrappers: a stock model class and its region table make a registered class with a ``dc:`` block."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fairchem.core.common.registry import registry
from torch import nn

from ocp_dc.errors import UserError
from ocp_dc.options import check_keys
from ocp_dc.surgery import DCOptions, RegionTable, Report, operate


def make_wrapper(
    class_name: str,
    registered_name: str,
    stock: type[nn.Module],
    regions: RegionTable,
    *,
    module: str,
    is_conservative: Callable[[Any], bool],
    base: type[nn.Module] | None = None,
    has_detached_angles: bool = False,
    check: Callable[[Any], None] | None = None,
) -> type[nn.Module]:
    """Make and register the wrapper of a stock fairchem model.

    The class takes the arguments of the stock model and ``dc``. Without ``dc``, or with one that asks for nothing, it
    is the stock model: same forward, same random numbers drawn. Its instances have ``registered_name``, ``dc_options``,
    ``dc_report`` (what surgery did, None where nothing was asked for) and ``conservative`` (whether forces are -dE/dx).

    Args:
        class_name: name of the class, to be bound to the same name in ``module``.
        registered_name: name in fairchem's registry: ``dc_`` and fairchem's own name.
        stock: the stock class.
        regions: what the named regions mean for it.
        module: the module that holds the class, for its dotted path.
        is_conservative: tells of an instance whether its forces are the gradient of its energy.
        base: a subclass of ``stock`` with what the wrapper computes in another way; ``stock`` itself where None.
        has_detached_angles: whether ``dc.angle_gradients`` means something for this model.
        check: called with the stock instance where ``dc`` asks for something; raises UserError where both do not go
            together.
    """
    parameters = list(inspect.signature(stock.__init__).parameters.values())
    stock_names = [p.name for p in parameters[1:]]

    def __init__(self: Any, *args: Any, dc: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        check_keys(kwargs, [*stock_names, "dc"], f"model ({registered_name})")
        options = DCOptions.from_block(dc)
        if options.angle_gradients is not None and not has_detached_angles:
            raise UserError(
                f"model.dc.angle_gradients: {registered_name} detaches no angles, so that the key means nothing here; "
                "remove it"
            )
        stock.__init__(self, *args, **kwargs)
        self.dc_options = options
        options.check()
        if check is not None and not options.asks_for_nothing:
            check(self)
        self.dc_report = None if options.asks_for_nothing else operate(self, options, regions)

    dc_parameter = inspect.Parameter("dc", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="dict | None")
    __init__.__signature__ = inspect.Signature([*parameters, dc_parameter])  # type: ignore[attr-defined]
    body = {
        "__init__": __init__,
        "__module__": module,
        "__qualname__": class_name,
        "__doc__": f"{stock.__name__} of fairchem with a ``dc:`` block; registered as ``{registered_name}``.\n\n"
        f"Regions: {regions.source}.",
        "registered_name": registered_name,
        "dc_regions": regions,
        "conservative": property(is_conservative),
        "stock_class": stock,
    }
    wrapper = type(class_name, (base or stock,), body)
    registry.register_model(registered_name)(wrapper)
    return wrapper


def surgery_report(model: nn.Module) -> Report | None:
    """Return what surgery did to a model, or None for a stock one."""
    return getattr(model, "dc_report", None)
