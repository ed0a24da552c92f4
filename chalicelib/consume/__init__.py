"""A batch of the destination queue: `batch` settles each message, `actions` do its work."""
