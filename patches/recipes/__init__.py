"""One module a patch: its docstring says why, and ``edit`` changes the source."""
