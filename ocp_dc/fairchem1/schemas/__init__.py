"""The JSON Schema of run configs of fairchem 1.10, from the tables of the checks and the signatures of the models."""
