class CommandError(Exception):
    """The command cannot go on. The message is one line that says why and what would be right."""
