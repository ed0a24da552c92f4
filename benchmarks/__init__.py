"""Measurements: `make bench-...`. Ratios in interleaved rounds; machines differ, ratios less so."""
