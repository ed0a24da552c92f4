"""A stage into an AWS account and out again."""
