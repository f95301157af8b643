"""The training run: configs, data sets, the loop, checkpoints, resuming."""
