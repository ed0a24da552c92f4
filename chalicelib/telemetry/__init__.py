"""What is told: log lines, metrics as log lines, and who changed what."""
