"""Small data from exact solutions or solvers: one file a task, each with a function ``solve(size, times, seed)``."""
