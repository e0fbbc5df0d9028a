"""Studies: sweeps, stairs, pruning plans, tuning."""
