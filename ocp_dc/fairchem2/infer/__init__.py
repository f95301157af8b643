"""Inference with fairchem 2: checkpoints, predictions and the calculator. This file imports nothing."""
