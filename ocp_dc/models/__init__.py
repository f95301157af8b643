"""The potentials themselves: numbers, positions and a graph in, energies out."""
