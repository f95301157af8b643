"""The tasks on DeepXDE: networks, sampling, training."""
