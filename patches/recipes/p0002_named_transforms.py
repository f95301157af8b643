"""Look up data set transforms in the registry or by dotted path, instead of evaluating their names.

The name of a transform in a config is passed to eval in the namespace of modules/transforms.py. Another package can add
a transform only by adding it to this namespace, and a config can run any expression. With this patch, transforms are
registered like models and trainers, or given by a dotted path. Functions in modules/transforms.py are found as before.
"""

from __future__ import annotations

from tree import Tree

REGISTER = '''    @classmethod
    def register_transform(cls, name: str):
        r"""Register a dataset transform to registry with key 'name'

        Args:
            name: Key with which the transform will be registered.

        Usage::

            from fairchem.core.common.registry import registry

            @registry.register_transform("center_positions")
            def center_positions(data_object, config):
                ...
        """

        def wrap(func: Callable[..., R]) -> Callable[..., R]:
            cls.mapping["transform_name_mapping"][name] = func
            return func

        return wrap

'''

GET = """    @classmethod
    def get_transform(cls, name: str):
        return cls.get_class(name, "transform_name_mapping")

"""

LOOK_UP = '''

def get_transform(name: str) -> Callable:
    """Return a transform by its name in this module or the registry, or by its dotted path"""
    transform = globals().get(name)
    return transform if callable(transform) else registry.get_transform(name)
'''


def edit(tree: Tree) -> None:
    """Add transforms to the registry, and look them up there."""
    registry, transforms = "common/registry.py", "modules/transforms.py"
    tree.replace(
        registry,
        '        "trainer_name_mapping": {},\n',
        '        "trainer_name_mapping": {},\n        "transform_name_mapping": {},\n',
    )
    before = "    @classmethod\n    def register(cls, name: str, obj) -> None:\n"
    tree.replace(registry, before, REGISTER + before)
    before = "    @classmethod\n    def get(cls, name: str, default=None"
    tree.replace(registry, before, GET + before)

    tree.replace(transforms, "from typing import TYPE_CHECKING\n", "from typing import TYPE_CHECKING, Callable\n")
    utils = "from fairchem.core.common.utils import cg_change_mat, irreps_sum\n"
    tree.replace(transforms, utils, f"from fairchem.core.common.registry import registry\n{utils}")
    tree.replace(
        transforms,
        "            data_object = eval(transform_fn)(data_object, self.config[transform_fn])\n\n"
        "        return data_object\n",
        "            transform = get_transform(transform_fn)\n"
        "            data_object = transform(data_object, self.config[transform_fn])\n\n"
        f"        return data_object\n{LOOK_UP}",
    )
    function = "def decompose_tensor("
    tree.replace(transforms, function, f'@registry.register_transform("decompose_tensor")\n{function}')
