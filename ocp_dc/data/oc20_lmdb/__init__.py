"""The LMDBs of fairchem 1.x, written whole and read as untrusted data."""
