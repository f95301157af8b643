"""Backbones for fairchem 2, by dotted path: ``backbone.model`` of a config."""
