"""Let stock fairchem 1.10 run here: stand-ins for its compiled dependencies, and the finder that installs them."""
