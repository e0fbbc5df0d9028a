"""Lower: launch + device -> jobs, with local size, job split and buffer addresses resolved."""
