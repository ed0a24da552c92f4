"""The drain against the original scheduler's algorithm, and the choice of its client."""
