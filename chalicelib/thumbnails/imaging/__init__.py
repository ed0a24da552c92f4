"""The parts of the thumbnail engine, each pure; chalicelib/thumbnails/make.py puts them together.

header    what the first bytes say: format, size, frames; the clock that stops a decoder
route     the cheapest way to decode, chosen from the header: draft, scaled, strips, or whole
cost      what that will take in memory
decode    from bytes to an image of the largest thumbnail's size
jpeg      JPEG's markers; a progressive one without its refinements
png       a PNG in strips
webp      a WebP reduced while it is decoded; libwebp is how that is asked for
linear    reduction in linear light
colour    modes that may be averaged, profiles to sRGB, alpha
apart     brightness and colour reduced each by itself, for JPEGs
box       sizes, as arithmetic
encode    the output format and its bytes, without any metadata
"""
