"""The LMDBs of ase rows (``aselmdb``) that fairchem 2 reads: a writer, a reader that runs no code, and their labels."""
