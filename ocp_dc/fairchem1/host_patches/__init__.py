"""What is changed in fairchem at run time, each change with its reason."""
