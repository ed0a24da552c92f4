"""The longer subcommands of `python -m infra`; infra/__main__.py has the short ones, and the entry."""
