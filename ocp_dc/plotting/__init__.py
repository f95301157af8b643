"""Parts of all figures: colors, canvases, logarithmic axes, parity panels and learning curves, from plain arrays."""
