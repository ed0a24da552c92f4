"""libwebp's public functions, by ctypes, from the library that Pillow's wheel brings and has loaded already.

Structures and functions: src/webp/decode.h and encode.h of libwebp 1.6.0, whose ABIs' major version is 2
since 2012; libwebp itself refuses another one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from functools import cache
from pathlib import Path

import PIL

PILLOW = Path(PIL.__file__)
ABI_VERSION = 0x0209  # WEBP_DECODER_ABI_VERSION, and WEBP_ENCODER_ABI_VERSION: the lower byte may differ
_RGB, _YUV = 0, 11  # WEBP_CSP_MODE
# VP8StatusCode
_OK, _OUT_OF_MEMORY, _SUSPENDED = 0, 1, 5
# A file is handed over in so many pieces; before each, the caller may stop it.
_PIECES = 64


def _ints(names: str) -> list[tuple[str, type]]:
    return [(name, c_int) for name in names.split()]


class Features(ctypes.Structure):
    """WebPBitstreamFeatures."""

    _fields_ = (*_ints("width height has_alpha has_animation format"), ("pad", c_uint32 * 5))


class _Pixels(ctypes.Structure):
    """WebPRGBABuffer."""

    _fields_ = (("rgba", c_void_p), ("stride", c_int), ("size", c_size_t))


class _Planes(ctypes.Structure):
    """WebPYUVABuffer."""

    _fields_ = (("planes", c_void_p * 4), ("strides", c_int * 4), ("sizes", c_size_t * 4))


class _Memory(ctypes.Union):
    _fields_ = (("pixels", _Pixels), ("planes", _Planes))


class _Output(ctypes.Structure):
    """WebPDecBuffer."""

    _fields_ = (
        *_ints("colorspace width height is_external_memory"),
        ("memory", _Memory),
        ("pad", c_uint32 * 4),
        ("private_memory", c_void_p),
    )


class _Options(ctypes.Structure):
    """WebPDecoderOptions."""

    _fields_ = (
        *_ints("bypass_filtering no_fancy_upsampling use_cropping left top right bottom"),
        *_ints("use_scaling scaled_width scaled_height use_threads dithering_strength flip"),
        *_ints("alpha_dithering_strength"),
        ("pad", c_uint32 * 5),
    )


class _Config(ctypes.Structure):
    """WebPDecoderConfig."""

    _fields_ = (("input", Features), ("output", _Output), ("options", _Options))


class _Picture(ctypes.Structure):
    """WebPPicture, up to what its own functions alone look at."""

    _fields_ = (
        *_ints("use_argb colorspace width height"),
        ("planes", c_char_p * 3),
        *_ints("y_stride uv_stride"),
        ("alpha", c_void_p),
        ("alpha_stride", c_int),
        ("pad", c_uint32 * 2),
        ("argb", c_void_p),
        ("rest", c_uint32 * 60),
    )


class Library:
    """The functions of the libwebp at `path`. Raises OSError where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        try:
            self._prepare = self._function("WebPInitDecoderConfigInternal", c_int, POINTER(_Config), c_int)
            self._features = self._function(
                "WebPGetFeaturesInternal", c_int, c_char_p, c_size_t, POINTER(Features), c_int
            )
            self._start = self._function("WebPIDecode", c_void_p, c_char_p, c_size_t, POINTER(_Config))
            self._update = self._function("WebPIUpdate", c_int, c_void_p, c_char_p, c_size_t)
            self._delete = self._function("WebPIDelete", None, c_void_p)
            self._picture = self._function("WebPPictureInitInternal", c_int, POINTER(_Picture), c_int)
            self._convert = self._function("WebPPictureYUVAToARGB", c_int, POINTER(_Picture))
            self._free = self._function("WebPPictureFree", None, POINTER(_Picture))
        except AttributeError as error:
            raise OSError(f"not the libwebp expected: {error}") from error
        self._config()

    def _function(self, name: str, result: type | None, *arguments: type) -> Callable[..., int]:
        function = self._library[name]
        function.restype, function.argtypes = result, arguments
        return function

    def _config(self) -> _Config:
        config = _Config()
        if not self._prepare(byref(config), ABI_VERSION):
            raise OSError("libwebp has another ABI")
        return config

    def features(self, data: bytes) -> Features:
        """What the headers say. Raises OSError where they are damaged."""
        found = Features()
        if self._features(data, len(data), byref(found), ABI_VERSION) != _OK:
            raise OSError("damaged headers")
        return found

    def decoded(self, data: bytes, end: int, size: tuple[int, int], check: Callable[[], None]) -> bytearray:
        """RGB, the whole picture in data[:end], at `size`. `check` may stop it by raising."""
        width, height = size
        pixels = bytearray(width * height * 3)
        config = self._config()
        options, output = config.options, config.output
        options.use_scaling, options.scaled_width, options.scaled_height = 1, width, height
        options.bypass_filtering = 1
        output.colorspace, output.is_external_memory = _RGB, 1
        output.memory.pixels = _Pixels(_address(pixels), width * 3, len(pixels))
        self._run(config, data, end, check)
        return pixels

    def planes(
        self, data: bytes, end: int, size: tuple[int, int], check: Callable[[], None]
    ) -> list[bytearray]:
        """Brightness and both colours of the lossy picture in data[:end], as the file has them. `size` is
        the picture's."""
        config = self._config()
        config.options.bypass_filtering = 1
        config.output.colorspace, config.output.is_external_memory = _YUV, 1
        memory = config.output.memory.planes
        made = []
        for number, (width, height) in enumerate(plane_sizes(size)):
            made.append(bytearray(width * height))
            memory.planes[number] = _address(made[-1])
            memory.strides[number], memory.sizes[number] = width, width * height
        self._run(config, data, end, check)
        return made

    def bgrx(self, planes: list[bytes], size: tuple[int, int]) -> bytes:
        """Such planes of a picture of `size` as pixels, as its decoder makes them."""
        picture = _Picture()
        if not self._picture(byref(picture), ABI_VERSION):
            raise OSError("libwebp has another ABI")
        picture.width, picture.height, picture.planes = *size, tuple(planes)
        picture.y_stride, picture.uv_stride = size[0], (size[0] + 1) // 2
        if not self._convert(byref(picture)):
            raise MemoryError
        try:
            return ctypes.string_at(picture.argb, 4 * size[0] * size[1])
        finally:
            self._free(byref(picture))

    def _run(self, config: _Config, data: bytes, end: int, check: Callable[[], None]) -> None:
        """Fills the memory that the configuration names."""
        decoder = self._start(None, 0, byref(config))
        if not decoder:
            raise MemoryError
        try:
            status = _SUSPENDED
            for piece in range(1, _PIECES + 1):
                check()
                status = self._update(decoder, data, end * piece // _PIECES)
                if status != _SUSPENDED:
                    break
        finally:
            self._delete(decoder)
        if status == _OUT_OF_MEMORY:
            raise MemoryError
        if status != _OK:
            raise OSError("failed to read next frame")  # as Pillow says it


def plane_sizes(size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Of a lossy picture of `size`: brightness, and both colours at half of it."""
    half = (size[0] + 1) // 2, (size[1] + 1) // 2
    return size, half, half


def _address(memory: bytearray) -> int:
    return ctypes.addressof((ctypes.c_char * len(memory)).from_buffer(memory))


@cache
def library() -> Library:
    """Raises OSError where Pillow brings none that can be used: from its own folder, never the system's."""
    found = sorted(PILLOW.parents[1].glob("pillow.libs/libwebp-*.so*"))
    if len(found) != 1:
        raise OSError("Pillow brings no libwebp")
    return Library(found[0])
