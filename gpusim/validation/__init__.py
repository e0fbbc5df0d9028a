"""Judge: predicted + measured -> errors and calibration records."""
