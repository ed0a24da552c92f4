"""Whether a deployment package can run on Lambda: its native code is looked at, never imported.

Chalice compiles a requirement here when it finds no wheel, says nothing, and takes the result: it is linked
to this machine's libraries, and without WebP or AVIF when their headers are not installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Glibc = tuple[int, int]

# Amazon Linux 2 until Python 3.11, then 2023: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_AMAZON_LINUX_2: Glibc = (2, 26)
_AMAZON_LINUX_2023: Glibc = (2, 34)

# The older names of wheel platforms, https://peps.python.org/pep-0600/#legacy-manylinux-tags
_LEGACY: Mapping[str, Glibc] = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}

_ELF = b"\x7fELF"
_ELF_MACHINES = {62: "x86_64", 183: "aarch64"}  # e_machine, 16 bits at byte 18
_GLIBC_SYMBOL = re.compile(rb"GLIBC_(\d+)\.(\d+)")

# What thumbnails need of Pillow. A Pillow compiled here has no pillow.libs, and these only by luck.
PILLOW_NEEDS = ("PIL/_imaging.", "PIL/_webp.", "PIL/_avif.", "PIL/_imagingcms.", "pillow.libs/")


@dataclass(frozen=True)
class Runtime:
    """Lambda's, such as `python3.13` on `arm64`, in the names Chalice's settings use."""

    python: str
    architecture: str = "x86_64"

    @property
    def glibc(self) -> Glibc:
        minor = int(self.python.removeprefix("python3."))
        return _AMAZON_LINUX_2 if minor < 12 else _AMAZON_LINUX_2023

    @property
    def machine(self) -> str:
        """The architecture as wheels and ELF files name it."""
        return "aarch64" if self.architecture == "arm64" else self.architecture


def problems(files: Mapping[str, bytes], runtime: Runtime) -> list[str]:
    """What would keep the package from running there, one line each; none when all is well.

    `files` is the unpacked package, contents by path. A wheel that does not fit explains the rest.
    """
    return [*_wheels(files, runtime)] or [*_libraries(files, runtime), *_pillow(files)]


def fits(tag: str, runtime: Runtime) -> bool:
    """Whether a wheel's platform tag, such as `manylinux_2_28_x86_64` or `any`, is made for the runtime.

    `linux_x86_64` is what a wheel compiled on this machine says of itself: it promises nothing.
    """
    if tag == "any":
        return True
    found = re.fullmatch(r"(manylinux(?:1|2010|2014)|manylinux_(\d+)_(\d+))_(.+)", tag)
    if not found or found[4] != runtime.machine:
        return False
    glibc = _LEGACY.get(found[1]) or (int(found[2]), int(found[3]))
    return glibc <= runtime.glibc


def _wheels(files: Mapping[str, bytes], runtime: Runtime) -> Iterator[str]:
    for path, contents in sorted(files.items()):
        found = re.fullmatch(r"([^/]+)-([^/-]+)\.dist-info/WHEEL", path)
        if not found:
            continue
        tags = re.findall(r"^Tag: \S+-(\S+?)\s*$", contents.decode(), re.MULTILINE)
        if not any(fits(tag, runtime) for tag in tags):
            yield _advice(f"{found[1]} {found[2]}", tags, runtime)


def _advice(package: str, tags: Iterable[str], runtime: Runtime) -> str:
    glibc = ".".join(map(str, runtime.glibc))
    what = (
        "was compiled on this machine"
        if any(tag.startswith("linux_") for tag in tags)
        else f"is for {', '.join(tags)}"
    )
    return (
        f"{package} {what}, which Lambda's {runtime.python} on {runtime.machine} (glibc {glibc}) cannot "
        f"load: pin in requirements.txt a version with a wheel for manylinux_{glibc.replace('.', '_')} or "
        "older, or deploy from a newer Python (Lambda's glibc is 2.34 from Python 3.12 on)"
    )


def _libraries(files: Mapping[str, bytes], runtime: Runtime) -> Iterator[str]:
    for path, contents in sorted(files.items()):
        if not contents.startswith(_ELF):
            continue
        machine = int.from_bytes(contents[18:20], "little")
        if _ELF_MACHINES.get(machine) != runtime.machine:
            found = _ELF_MACHINES.get(machine, f"machine {machine}")
            yield f"{path} is for {found}, the functions run on {runtime.machine}"
        if (needed := glibc_needed(contents)) > runtime.glibc:
            yield f"{path} needs glibc {needed[0]}.{needed[1]}, Lambda's {runtime.python} has " + ".".join(
                map(str, runtime.glibc)
            )


def glibc_needed(library: bytes) -> Glibc:
    """The newest glibc whose symbols an ELF file names: its version strings are kept as plain text."""
    versions = [(int(major), int(minor)) for major, minor in _GLIBC_SYMBOL.findall(library)]
    return max(versions, default=(0, 0))


def _pillow(files: Mapping[str, bytes]) -> Iterator[str]:
    for need in PILLOW_NEEDS:
        if not any(path.startswith(need) for path in files):
            yield (
                f"Pillow comes without {need.rstrip('.')}: it was not unpacked from a manylinux wheel; "
                "pin in requirements.txt a version that has one for this Python"
            )
