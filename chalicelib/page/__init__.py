"""The page for the person on call: its files and the routes that serve them."""
