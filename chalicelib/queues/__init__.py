"""The queues: `messages` in and out, `batching` of calls, `depths`, and what a dead letter looks like."""
