"""Predictions from checkpoints: the calculator, evaluation, relaxations."""
