"""The commands of ``ocp-dc``: one module each, which adds its arguments to a parser and calls a function."""
