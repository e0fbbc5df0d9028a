"""Time: jobs + counts + costs + device -> Timeline; the only place that uses SimPy."""
