"""The equations, initial and boundary conditions of the tasks, without DeepXDE."""
