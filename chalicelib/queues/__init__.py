"""The queues: `messages` in and out, `batching` of calls, `depths`, `retention`, and what a dead letter looks
like."""
