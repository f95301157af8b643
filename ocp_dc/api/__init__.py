"""The Python API: train a potential, open a run, evaluate and predict, without the command line."""
