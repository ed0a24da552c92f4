"""The thumbnail engine against sharp, pyvips and plain Pillow, over photographs that Debian's packages ship.

fetch    downloads the photographs and sharp into .cache/bench, and lists the photographs by kind
workers  one process an engine, asked one job at a time
quality  PSNR and SSIM against a full decode, on the pixels before encoding
memory   the peak of one 100-megapixel picture, in a process of its own
run      interleaves the engines, prints the table, writes benchmarks/results/thumbnails.json and the plot
"""
