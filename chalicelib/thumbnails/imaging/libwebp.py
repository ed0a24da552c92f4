"""libwebp's public decoder, by ctypes, from the library that Pillow's wheel brings and has loaded already.

Structures and functions: src/webp/decode.h of libwebp 1.6.0, whose ABI's major version is 2 since 2012;
libwebp itself refuses another one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from functools import cache
from pathlib import Path

import PIL

PILLOW = Path(PIL.__file__)
ABI_VERSION = 0x0209  # WEBP_DECODER_ABI_VERSION; the lower byte may differ
_RGB = 0  # WEBP_CSP_MODE
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
    """WebPRGBABuffer, and what the union with WebPYUVABuffer is longer."""

    _fields_ = (("rgba", c_void_p), ("stride", c_int), ("size", c_size_t), ("longer", c_uint32 * 14))


class _Output(ctypes.Structure):
    """WebPDecBuffer."""

    _fields_ = (
        *_ints("colorspace width height is_external_memory"),
        ("pixels", _Pixels),
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
        address = ctypes.addressof((ctypes.c_char * len(pixels)).from_buffer(pixels))
        output.pixels = _Pixels(address, width * 3, len(pixels))
        self._run(config, data, end, check)
        return pixels

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


@cache
def library() -> Library:
    """Raises OSError where Pillow brings none that can be used: from its own folder, never the system's."""
    found = sorted(PILLOW.parents[1].glob("pillow.libs/libwebp-*.so*"))
    if len(found) != 1:
        raise OSError("Pillow brings no libwebp")
    return Library(found[0])
