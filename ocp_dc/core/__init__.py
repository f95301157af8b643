"""Tools for all layers: errors, checks of values, options, files, locks, caches. They need no torch."""
