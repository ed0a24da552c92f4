"""The parts of the thumbnail engine, each pure; chalicelib/thumbnails.py puts them together.

header    what the first bytes say: format, size, frames; and what decoding will cost
decode    the cheapest way from bytes to an image of about the wanted size
colour    modes that may be averaged, profiles to sRGB, linear light
encode    the output format and its bytes, without any metadata
"""
