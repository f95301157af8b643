"""Ablation studies: arms from a short YAML, runs that survive interruption, and a report with a verdict."""
