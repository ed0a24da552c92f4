"""The parts of the thumbnail engine, each pure; chalicelib/thumbnails/make.py puts them together.

header    what the first bytes say: format, size, frames
deadline  the clock that stops a decoder
strategy  the cheapest way to decode, chosen from the header: draft, scaled, planes, strips, or whole
cost      what that will take in memory
decode    from bytes to an image of the largest thumbnail's size
jpeg, png, gif, tiff, bmff, heic, webp (with libwebp)   what each format wants besides Pillow
resample  Lanczos, with vectors where there are some
linear    reduction in linear light
colour    modes that may be averaged, profiles to sRGB, alpha
picture   an upright picture reduced further, and cut
box       sizes, as arithmetic
encode    the output format and its bytes, without any metadata
"""
