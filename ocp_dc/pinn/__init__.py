"""The physics-informed tasks of arXiv 2310.01649 on DeepXDE: the other derivative-constrained training."""
