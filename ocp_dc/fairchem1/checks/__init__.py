"""Checks of configs, checkpoints and batches before fairchem sees them."""
