"""Small data from exact solutions or solvers: one file per task, with a function ``solve(size, times, seed)``."""
