"""One module per patch: its docstring gives the reason, and ``edit`` changes the source."""
