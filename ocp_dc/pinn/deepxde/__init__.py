"""Training of the physics-informed tasks with DeepXDE: networks, conditions, sampling and checkpoints."""
