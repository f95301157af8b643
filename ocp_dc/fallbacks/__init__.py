"""Replacements for compiled dependencies of stock fairchem 1.10, and the import hook that installs them."""
