"""What all pictures share: colors, figures, logarithmic axes, parity panels and learning curves, from plain arrays."""
