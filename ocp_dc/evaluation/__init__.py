"""Error tables, parity plots, learning curves and the structures with the largest errors."""
