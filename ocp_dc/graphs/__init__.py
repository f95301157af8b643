"""The edges of a batch within a cutoff, with and without periodic boundaries, for all hosts."""
