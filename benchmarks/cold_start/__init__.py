"""How long a function takes that starts anew: `make bench-cold-start`."""
