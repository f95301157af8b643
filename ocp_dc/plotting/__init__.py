"""Parts of all pictures: colors, figures, logarithmic axes, parity panels and learning curves, from plain arrays."""
