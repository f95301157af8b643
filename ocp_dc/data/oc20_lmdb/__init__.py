"""LMDBs of fairchem 1.x: a writer, and readers that treat the records as untrusted data."""
