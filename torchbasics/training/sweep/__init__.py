"""Sweeps: every combination of some hyperparameters as a run of its own, in processes, and a table of what came out."""
