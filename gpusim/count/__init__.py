"""Count: jobs + IR -> exact executions of every block per work-group class."""
