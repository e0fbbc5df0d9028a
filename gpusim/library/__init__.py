"""Plan: a network layer and a library -> launches (the libraries' dispatch rules)."""
