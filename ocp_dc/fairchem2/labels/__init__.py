"""Label rescaling with fairchem 2: resolvers of configs, a data set with energies in float64, checks of tasks.

Importing this package imports no other module, since hydra's plugin imports its resolvers in every program.
"""
