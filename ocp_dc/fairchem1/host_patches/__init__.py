"""Changes to fairchem at run time, each with its reason."""
