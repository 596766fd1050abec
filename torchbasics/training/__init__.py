"""Training: configuration, engines, the loop, what it records, and what it leaves in `runs/`."""
