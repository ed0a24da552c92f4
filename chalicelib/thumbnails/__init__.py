"""Thumbnails: `make` from bytes to bytes, `keys` and `formats` of them, `stored` in their bucket."""
