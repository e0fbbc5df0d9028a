"""Record: a command line -> a trace; the C shim and the profiles it impersonates."""
