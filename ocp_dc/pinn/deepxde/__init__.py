"""The tasks with DeepXDE: networks, conditions, sampling, training."""
