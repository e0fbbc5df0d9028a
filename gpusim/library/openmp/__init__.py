"""A plain C program with OpenMP: its loops, layer by layer, as instruction mixes."""
