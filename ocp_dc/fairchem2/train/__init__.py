"""Training with fairchem 2: the callback of a run, losses and schedules."""
