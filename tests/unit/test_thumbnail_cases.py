"""Right in every colour, bit and frame: what programs get wrong without a word. See tests/corpus/cases too."""

import io
import itertools
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from chalicelib.config.thumbnails import Size, ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.letters.codes import CODES
from chalicelib.thumbnails.imaging import bmff, colour
from chalicelib.thumbnails.make import estimate, make
from dev.pictures import array, chunk, decoded, encoded, psnr, scene
from tests.support.profiles import named_profile, swapped_profile

CASES = Path(__file__).parents[1] / "corpus" / "cases"
WHOLE = ThumbnailSettings(sizes=(4096,), output="png")  # nothing is reduced
SMALL = ThumbnailSettings(sizes=(60,), output="png")


def case(name):
    return (CASES / name).read_bytes()


def pixels(data, settings=WHOLE):
    return array(decoded(make(data, settings)[0].data).convert("RGBA"))


def refused(data, settings=WHOLE):
    with pytest.raises(Reject) as error:
        make(data, settings)
    return error.value.reason


# --- the guard -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jpeg-prog-12000-plain.jpg", "jpeg-prog-12000-stray.jpg"])
def test_a_stray_byte_between_markers_hides_no_coefficients(name):
    assert "more than the 307 MB" in refused(case(name), ThumbnailSettings())


def test_a_frame_far_larger_than_its_canvas_is_never_filled():
    data = case("gif-frame2-13000-square.gif")
    assert estimate(data, WHOLE) < 6_000_000
    assert make(data, ThumbnailSettings())[0].format == "jpeg"


def claiming_less(data, width, height):
    """An AVIF or a HEIC whose container says that its picture is small; the stream in it does not."""
    made, place = bytearray(data), -1
    while (place := made.find(b"ispe", place + 1)) >= 0:
        made[place + 8 : place + 16] = struct.pack(">II", width, height)
    return bytes(made)


GROWN = """
import re, sys
from pathlib import Path
from chalicelib.config.thumbnails import FORMATS, ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.letters.codes import CODES
from chalicelib.thumbnails.make import make
def resident(field):
    return int(re.search(field + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000
settings = ThumbnailSettings(sizes=(64,), formats=FORMATS, memory_budget=30_000_000, process_limit=int(sys.argv[3]))
make(Path(sys.argv[1]).read_bytes(), settings)
before = resident("VmRSS")
try:
    make(Path(sys.argv[2]).read_bytes(), settings)
except Reject as refused:
    print(refused)
print(round(resident("VmHWM") - before), file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux's limit")
@pytest.mark.slow
@pytest.mark.parametrize("function_bytes", [0, 256 * 1024 * 1024])
def test_a_stream_far_larger_than_its_container_says_is_stopped_by_the_processs_limit(
    tmp_path, function_bytes
):
    honest = encoded(Image.new("RGB", (12000, 9000), "teal"), "avif", speed=10)
    (tmp_path / "bomb").write_bytes(claiming_less(honest, 16, 16))
    (tmp_path / "small").write_bytes(encoded(scene(64, 64), "avif"))
    assert estimate(claiming_less(honest, 16, 16), SMALL) < 6_000_000, "nobody can tell"
    command = [
        sys.executable,
        "-c",
        GROWN,
        str(tmp_path / "small"),
        str(tmp_path / "bomb"),
        str(function_bytes),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("damaged or unsupported: Failed to decode frame 0")
    assert int(done.stderr.split()[-1]) < 110, "MB"


def test_the_limit_ends_with_the_picture():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    make(encoded(scene(), "jpeg"), SMALL)
    refused(b"nothing")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_tile_larger_than_its_picture_counts():
    assert "more than the 307 MB" in refused(case("tiff-tile-14000-zstd.tif"))


# --- frames ----------------------------------------------------------------------------------------------


def film(data, sizes=(4096,), **settings):
    """Each frame of the thumbnail as RGBA with its milliseconds, and how often it is played."""
    (made,) = make(data, ThumbnailSettings(sizes=sizes, webp_quality=100, **settings))
    picture = Image.open(io.BytesIO(made.data))
    frames = []
    for number in range(picture.n_frames):
        picture.seek(number)
        picture.load()
        frames.append((array(picture.convert("RGBA")), picture.info["duration"]))
    return frames, picture.info["loop"]


@pytest.mark.parametrize("sizes", [(4096,), (60,)])
@pytest.mark.parametrize("name", ["anim-120x90.gif", "anim-120x90-apng.png"])
def test_every_frame_is_its_own_reduced_or_not(name, sizes):
    frames, loop = film(case(name), sizes)
    assert [milliseconds for _, milliseconds in frames] == [200] * 6
    assert loop == 0
    for (one, _), (other, _) in itertools.pairwise(frames):
        assert np.abs(one - other).mean() > 3


def test_the_default_image_of_an_apng_is_no_frame_of_it():
    data = case("apng-default-image.png")
    frames, _ = film(data)
    assert [frame[75, 100, :3].argmax() for frame, _ in frames] == [1, 2], "green, blue; never red"
    assert pixels(data)[75, 100].tolist() == [0, 200, 0, 255], "nor where it stands still"


def test_outside_a_small_first_frame_there_is_nothing():
    picture = pixels(case("gif-undersized-frame.gif"))
    assert picture[1, 1].tolist() == [255, 0, 0, 255]
    assert picture[60, 60, 3] == 0


def test_what_is_cut_short_after_whole_frames_shows_those():
    assert make(case("gif-cut-after-separator.gif"), ThumbnailSettings())
    whole = case("anim-120x90.gif")
    frames, _ = film(whole[: len(whole) - 300])
    assert len(frames) == 5


def test_a_damaged_later_frame_costs_the_rest():
    shades = [Image.new("RGB", (300, 200), (60 * i, 255 - 60 * i, 40)) for i in range(4)]
    data = bytearray(encoded(shades[0], "png", save_all=True, append_images=shades[1:], duration=100))
    third = [place for place in range(len(data)) if data[place : place + 4] == b"fdAT"][1]
    data[third + 8 : third + 40] = b"\xff" * 32
    frames, _ = film(bytes(data))
    assert [int(frame[5, 5, 0]) // 30 for frame, _ in frames] == [0, 2]


@pytest.mark.parametrize("sizes", [(4096,), (60,)])
def test_the_frames_before_a_damaged_one_are_shown_as_they_are(sizes):
    sound, _ = film(case("anim-120x90.gif"), sizes)
    # One byte of the third frame's palette: no GIF reader can tell, so the film goes on in another colour.
    frames, _ = film(case("gif-frame-3-damaged.gif"), sizes)
    assert len(frames) == 6
    assert all((frames[number][0] == sound[number][0]).all() for number in range(2))
    # Its codes: they stop making sense, and the film ends.
    data = bytearray(case("anim-120x90.gif"))
    third = [place for place in range(len(data)) if data[place : place + 3] == b"\x21\xf9\x04"][2]
    codes = data.index(b"\x78\x00\x5a\x00\x81", third) + 5 + 12  # behind the size and four colours
    data[codes + 2 : codes + 12] = b"\xff" * 10
    frames, _ = film(bytes(data), sizes)
    assert len(frames) == 2
    assert all((frame == before).all() for (frame, _), (before, _) in zip(frames, sound, strict=False))


def gif(frames, size=(4, 4), again=None):
    """A GIF by hand: (left, top, picture of one palette entry, hundredths, disposal) each."""
    palette = bytes((0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255))  # black, red, green, blue
    data = b"GIF89a" + struct.pack("<HHBBB", *size, 0x91, 3, 0) + palette
    if again is not None:
        data += b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + again.to_bytes(2, "little") + b"\0"
    for left, top, (width, height), entry, hundredths, disposal in frames:
        data += b"\x21\xf9\x04" + struct.pack("<BHB", disposal << 2, hundredths, 0) + b"\0"
        data += b"\x2c" + struct.pack("<HHHHB", left, top, width, height, 0)
        # Clear before every two pixels: no code is ever longer than three bits.
        codes = [code for _ in range(width * height // 2) for code in (4, entry, entry)] + [5]
        bits = sum(code << 3 * number for number, code in enumerate(codes))
        body = bits.to_bytes(len(codes) * 3 // 8 + 1, "little")
        blocks = [body[start : start + 255] for start in range(0, len(body), 255)]
        data += b"\x02" + b"".join(bytes((len(block),)) + block for block in blocks) + b"\0"
    return data + b"\x3b"


def test_frames_are_disposed_of_as_they_say_and_cleared_to_nothing():
    data = gif(
        [
            (0, 0, (64, 64), 1, 7, 1),  # red everywhere, stays
            (0, 0, (32, 32), 2, 8, 3),  # green in a corner, then what was there before
            (32, 32, (32, 32), 3, 9, 2),  # blue in the other corner, then nothing
            (0, 32, (32, 32), 2, 10, 0),
        ],
        (64, 64),
        again=2,
    )
    frames, loop = film(data)
    red, green, blue, nothing = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)
    seen = np.array([[frame[y, x] for y, x in ((8, 8), (56, 56), (56, 8))] for frame, _ in frames])
    expected = [[red, red, red], [green, red, red], [red, blue, red], [red, nothing, green]]
    seen[3, 1, :3] = 0  # whatever colour there is in nothing
    assert np.abs(seen - expected).max() <= 8
    assert [milliseconds for _, milliseconds in frames] == [70, 80, 90, 100]
    assert loop == 3, "a GIF says how often it is repeated, a WebP how often it is played"


@pytest.mark.parametrize(("again", "loop"), [(None, 1), (0, 0), (1, 2), (65535, 0)])
def test_a_gif_is_played_as_often_as_it_says(again, loop):
    assert film(gif([(0, 0, (4, 4), 1, 7, 1), (0, 0, (4, 4), 2, 7, 1)], again=again))[1] == loop


def test_a_later_frame_beyond_the_canvas_is_cut_and_the_first_one_enlarges_it():
    frames, _ = film(gif([(0, 0, (64, 64), 1, 7, 1), (32, 32, (60, 60), 3, 7, 1)], (64, 64)))
    assert [frame.shape for frame, _ in frames] == [(64, 64, 4)] * 2
    assert np.abs(frames[1][0][56, 56] - (0, 0, 255, 255)).max() <= 8
    assert pixels(gif([(0, 0, (6, 5), 1, 7, 1)])).shape == (5, 6, 4)


# --- colour ----------------------------------------------------------------------------------------------


def test_a_profile_is_what_it_is_and_not_what_it_is_called():
    red = pixels(case("icc-display-p3-flat-red.jpg"))[150, 200]
    assert np.abs(red - (255, 0, 0, 255)).max() <= 3
    data = encoded(Image.new("RGB", (60, 40), (255, 0, 0)), "png", icc_profile=swapped_profile("sRGB IEC"))
    assert pixels(data)[20, 30].tolist() == [0, 0, 255, 255]


def test_srgb_under_any_name_changes_nothing():
    data = encoded(scene(), "png", icc_profile=named_profile("Camera RGB"))
    assert (pixels(data)[..., :3] == array(scene())).all()


@pytest.mark.parametrize(("primaries", "red"), [(1, (234, 51, 35)), (12, (255, 0, 0)), (9, (255, 0, 0))])
def test_colours_by_code_points_are_converted(primaries, red):
    profile = colour.coded_profile(primaries, 13)
    picture = Image.new("RGB", (8, 8), (234, 51, 35))
    made = np.asarray(colour.to_srgb(picture, profile))[4, 4]
    assert np.abs(made - red).max() <= 3


def test_hdr_is_refused_by_its_name():
    for transfer, name in ((16, "PQ"), (18, "HLG")):
        with pytest.raises(Reject, match=rf"{name} \(HDR\) is not supported"):
            colour.coded_profile(9, transfer)


# --- bits ------------------------------------------------------------------------------------------------


def png(width, height, depth, colour_type, rows, *chunks):
    """A PNG of the rows' bytes, unfiltered, with further chunks before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


def test_sixteen_bit_grey_is_transparent_where_trns_says_and_only_there():
    values = [0, 30000, 30001, 65535]
    row = struct.pack(">4H", *values)
    made = pixels(png(4, 2, 16, 0, [row, row], chunk(b"tRNS", struct.pack(">H", 30000))))
    assert made[0, :, 3].tolist() == [255, 0, 255, 255]
    assert made[0, (0, 2, 3), 0].tolist() == [0, 117, 255]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_grey_of_few_bits_is_transparent_where_trns_says(depth):
    top = (1 << depth) - 1
    row = bytes((top << 8 - depth,)) if depth < 8 else b"\xff"
    data = png(1, 1, depth, 0, [row], chunk(b"tRNS", struct.pack(">H", top)))
    assert pixels(data)[0, 0, 3] == 0
    data = png(1, 1, depth, 0, [b"\0"], chunk(b"tRNS", struct.pack(">H", top)))
    assert pixels(data)[0, 0].tolist() == [0, 0, 0, 255]


def test_sixteen_bit_rgb_is_transparent_where_trns_says():
    row = struct.pack(">6H", 65535, 0, 0, 1000, 2000, 3000)
    made = pixels(png(2, 1, 16, 2, [row], chunk(b"tRNS", struct.pack(">3H", 65535, 0, 0))))
    assert made[0, :, 3].tolist() == [0, 255]


@pytest.mark.parametrize("size", [(60, 40), (1200, 800)])
def test_text_of_any_length_does_not_refuse_a_png(size):
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "x" * 2_000_000, zip=True)
    text.add_text("Comment", "y" * 2_000_000, zip=True)
    data = encoded(scene(*size), "png", pnginfo=text)
    assert psnr(pixels(data, SMALL), pixels(encoded(scene(*size), "png"), SMALL)) == 99


def test_a_profile_of_megabytes_counts_and_one_without_end_is_left_out():
    large = swapped_profile() + bytes(2_000_000)
    large = len(large).to_bytes(4, "big") + large[4:]
    data = encoded(Image.new("RGB", (60, 40), (255, 0, 0)), "png", icc_profile=large)
    assert pixels(data)[20, 30].tolist() == [0, 0, 255, 255]
    bomb = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(20_000_000)))
    assert pixels(png(1, 1, 8, 0, [b"\x80"], bomb))[0, 0].tolist() == [128, 128, 128, 255]


def tiff(width, height, tags, body, order="<"):
    """A TIFF of one strip. A tag's value is a number, or a list of them as 16 bits."""
    sign = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entries = {256: width, 257: height, 278: height, 279: len(body), **tags}
    count = len({*entries, 273})
    after = 8 + 2 + 12 * count + 4
    extra = b""
    lines = {}
    for tag, value in entries.items():
        if isinstance(value, list):
            packed = struct.pack(f"{order}{len(value)}H", *value)
            place = after + len(extra)
            lines[tag] = struct.pack(f"{order}HHI", tag, 3, len(value)) + (
                packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(f"{order}I", place)
            )
            extra += packed if len(packed) > 4 else b""
        else:
            lines[tag] = struct.pack(f"{order}HHII", tag, 4, 1, value)
    offsets = tags.get(273)
    lines[273] = lines[273] if offsets else struct.pack(f"{order}HHII", 273, 4, 1, after + len(extra))
    ordered = b"".join(lines[tag] for tag in sorted(lines))
    head = struct.pack(f"{order}I", 8)
    return sign + head + struct.pack(f"{order}H", len(lines)) + ordered + bytes(4) + extra + body


RGB16 = np.arange(5 * 7 * 3, dtype=np.uint16).reshape(5, 7, 3) * 600


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [1, 2])
def test_sixteen_bit_rgb_tiff_is_right_in_pixels_and_in_planes(order, planar):
    values = RGB16 if planar == 1 else RGB16.transpose(2, 0, 1)
    body = values.astype(f"{order}u2").tobytes()
    tags = {258: [16, 16, 16], 259: 1, 262: 2, 277: 3, 284: planar}
    if planar == 2:
        # Three strips, one behind the other.
        size = 5 * 7 * 2
        plain = tiff(7, 5, {**tags, 273: [0, 0, 0], 279: [size] * 3}, body, order)
        start = len(plain) - len(body)
        data = tiff(
            7, 5, {**tags, 273: [start, start + size, start + 2 * size], 279: [size] * 3}, body, order
        )
    else:
        data = tiff(7, 5, tags, body, order)
    assert np.abs(pixels(data)[..., :3] - RGB16 / 257).max() <= 1


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("white", [0, 1])
def test_grey_tiff_is_dark_where_it_should_be(depth, white):
    values = np.array([[0, 2**depth - 1]], f"<u{depth // 8}")
    data = tiff(2, 1, {258: depth, 259: 1, 262: 1 - white, 277: 1}, values.tobytes())
    assert pixels(data)[0, :, 0].tolist() == ([255, 0] if white else [0, 255])


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({258: 32, 262: 1, 277: 1}, "a TIFF of 32-bit channels without a sign is not supported"),
        (
            {258: [32, 32, 32], 262: 2, 277: 3, 339: [3, 3, 3]},
            "a TIFF of 32-bit floating-point channels is not supported: unknown pixel mode",
        ),
        (
            {258: 8, 259: 50001, 262: 1, 277: 1},
            "a TIFF of 8-bit channels with webp compression is not supported",
        ),
        (
            {258: 8, 259: 60000, 262: 1, 277: 1},
            "a TIFF of 8-bit channels with 60000 compression is not supported",
        ),
        ({258: 8, 262: 1, 277: 1, 50706: 1}, "a camera's raw picture (a kind of TIFF) is not supported"),
    ],
)
def test_a_tiff_that_would_come_out_wrong_is_refused_by_what_it_is(tags, reason):
    assert refused(tiff(4, 4, {259: 1, **tags}, bytes(4 * 4 * 12))) == reason


def test_a_big_endian_bigtiff_is_refused_by_its_name():
    assert refused(b"MM\0+\0\x08\0\0" + bytes(40)) == "a big-endian BigTIFF is not supported"
    assert "webp compression" in refused(case("tiff-webp.tif"))


def test_the_clean_aperture_of_an_avif_is_what_is_shown():
    def box(kind, body):
        return struct.pack(">I", len(body) + 8) + kind + body

    numbers = struct.pack(">IIIIiIiI", 100, 1, 50, 1, -50, 2, 10, 1)
    properties = box(b"iprp", box(b"ipco", box(b"clap", numbers)))
    assert bmff.clean_aperture(properties, (300, 200)) == (75, 85, 175, 135)
    whole = encoded(scene(300, 200), "avif", quality=95)
    for settings in (WHOLE, SMALL, ThumbnailSettings(sizes=(60,), output="png", linear=True)):
        (made,) = make(whole + properties, settings)
        exact = scene(300, 200).crop((75, 85, 175, 135)).resize((made.width, made.height), 1)
        assert (made.width, made.height) == ((100, 50) if settings is WHOLE else (60, 30))
        assert psnr(array(decoded(made.data)), array(exact)) > 24


# --- orientation -----------------------------------------------------------------------------------------

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'


@pytest.mark.parametrize("size", [(60,), (4096,)])
@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "webp with alpha", "avif", "tiff"])
def test_an_orientation_in_xmp_turns_nothing(form, size):
    picture = scene(300, 200)
    form, _, alpha = form.partition(" with ")
    options = {"xmp": XMP}
    if alpha:
        picture.putalpha(200)
    if form == "png":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": text}
    if form == "tiff":
        options = {"tiffinfo": {700: XMP}}
    data = encoded(picture, form, **options)
    assert b"tiff:Orientation>6" in data
    (made,) = make(data, ThumbnailSettings(sizes=size))
    assert made.width > made.height


BYTE = b"II*\0\x08\0\0\0\x01\0\x12\x01\x01\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_an_orientation_stored_as_a_byte_counts(form):
    (made,) = make(encoded(scene(300, 200), form, exif=b"Exif\0\0" + BYTE), SMALL)
    assert (made.width, made.height) == (40, 60)


def test_an_orientation_stored_as_a_byte_counts_in_a_tiff():
    data = tiff(3, 2, {258: 8, 259: 1, 262: 1, 277: 1, 274: 6}, bytes(6))
    short = data.index(struct.pack("<HHII", 274, 4, 1, 6))
    as_byte = data[:short] + struct.pack("<HHII", 274, 1, 1, 6) + data[short + 12 :]
    assert pixels(as_byte).shape[:2] == (3, 2)


# --- boxes and formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 6])
def test_boxes_that_are_no_squares_are_filled_upright(number):
    exif = Image.Exif()
    exif[0x0112] = number
    data = encoded(scene(1200, 800), "jpeg", exif=exif)
    sizes = (
        Size("card", 320, 240, "cover"),
        Size("strip", 100, 700, "inside"),
        Size("tall", 50, 150, "cover"),
    )
    made = make(data, ThumbnailSettings(sizes=sizes))
    upright = (1200, 800) if number == 1 else (800, 1200)
    share = min(100 / upright[0], 700 / upright[1])
    assert [(each.name, each.width, each.height) for each in made] == [
        ("card", 320, 240),
        ("strip", round(upright[0] * share), round(upright[1] * share)),
        ("tall", 50, 150),
    ]


def test_a_cut_lies_around_its_focal_point_and_within_the_picture():
    stripes = Image.new("RGB", (600, 200), "red")
    stripes.paste("lime", (200, 0, 400, 200))
    stripes.paste("blue", (400, 0, 600, 200))
    settings = ThumbnailSettings(sizes=(60,), fit="cover", output="png")
    data = encoded(stripes, "png")
    shown = []
    for across in (0.0, 0.5, 0.9, 1.0):
        (made,) = make(data, settings, focus=(across, 0.3))
        shown.append(int(array(decoded(made.data))[30, 30].argmax()))
    assert shown == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b"%PDF-1.7", "pdf"),
        (b"8BPS\0\x01", "psd"),
        (b'<?xml version="1.0"?>\n<svg xmlns=""/>', "svg"),
        (b"  <svg width='1'/>", "svg"),
        (b"\xff\x0a\0\0", "jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"II*\0\x10\0\0\0CR\x02\0", "raw"),
        (b"FUJIFILMCCD-RAW 0201", "raw"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "raw"),
    ],
)
def test_the_reason_names_formats_that_are_not_taken(beginning, name):
    assert refused(beginning + bytes(64)).startswith(f"{name} is not among the formats taken (jpeg, png")


def test_a_bmp_is_made():
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        data = encoded(scene(300, 200).convert(mode), "bmp")
        assert psnr(pixels(data, SMALL)[..., :3], pixels(encoded(decoded(data), "png"), SMALL)[..., :3]) > 38


# --- what a dead letter is counted by ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "settings", "code"),
    [
        (b"Hello", SMALL, "not-an-image"),
        (encoded(scene(64, 64), "bmp"), ThumbnailSettings(formats=("jpeg",)), "not-an-image"),
        (encoded(scene(64, 64), "png")[:900], SMALL, "damaged"),
        (
            encoded(scene(640, 640), "png"),
            ThumbnailSettings(sizes=(60,), memory_budget=1000),
            "too-many-pixels",
        ),
        (encoded(scene(64, 64), "png"), ThumbnailSettings(sizes=(60,), time_limit=0), "too-slow"),
        (b"MM\0+" + bytes(60), SMALL, "unsupported"),
    ],
)
def test_every_refusal_has_the_code_that_the_manual_explains(data, settings, code):
    with pytest.raises(Reject) as error:
        make(data, settings)
    assert error.value.code == code, error.value.reason
    assert code in CODES
