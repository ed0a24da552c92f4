"""Who may do what: the functions' policies from the code, and who may call the API."""
