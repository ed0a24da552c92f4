"""What is in the package: wheels that fit Lambda, for both architectures; and what stops a deploy."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import boto3
import pytest
from packaging.requirements import Requirement

from chalicelib.page import files
from dev.lambda_runtime.interpreters import VERSIONS
from dev.lambda_runtime.packages import unpacked
from dev.workspace import ROOT
from infra.errors import CommandError
from infra.package.build import FINISHED, finish, refuse_python, requirements_for
from infra.package.checks import PILLOW_NEEDS, Runtime, fits, glibc_needed, problems

ELF_ARM64 = b"\x7fELF" + bytes(14) + (183).to_bytes(2, "little")
ELF_X86 = b"\x7fELF" + bytes(14) + (62).to_bytes(2, "little")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def wheel(*tags: str) -> dict[str, bytes]:
    return {"pillow-13.0.0.dist-info/WHEEL": "".join(f"Tag: cp311-cp311-{tag}\n" for tag in tags).encode()}


@pytest.fixture
def pillow() -> dict[str, bytes]:
    """The names a Pillow from a wheel has."""
    return {f"{need}x": b"" for need in PILLOW_NEEDS}


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_every_requirement_has_a_wheel_that_fits_lambda_whether_or_not_that_python_is_here(version, tmp_path):
    """A Python that no machine of ours has is proved by its wheels alone: TestBuilt runs the others."""
    runtime = Runtime(f"python{version}")
    wanted = tmp_path / "requirements.txt"
    marked = [
        Requirement(line.partition("#")[0])
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.partition("#")[0].strip()
    ]
    here = {"python_version": version, "platform_machine": runtime.machine}
    chosen = [one for one in marked if one.marker is None or one.marker.evaluate(here)]
    wanted.write_text("".join(f"{one.name}{one.specifier}\n" for one in chosen))
    glibcs = range(17, runtime.glibc[1] + 1)
    tags = [
        *(f"manylinux_2_{minor}_{runtime.machine}" for minor in glibcs),
        f"manylinux2014_{runtime.machine}",
    ]
    abi = "cp" + version.replace(".", "")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", version, "--implementation", "cp", "--abi", abi]
    command += [*(f"--platform={tag}" for tag in tags), "--dest", str(tmp_path), "-r", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for file in tmp_path.glob("*.whl"):
        with zipfile.ZipFile(file) as opened:
            opened.extractall(tmp_path / "package")
    assert problems(files_of(tmp_path / "package"), runtime) == []
    assert len(list(tmp_path.glob("*.whl"))) == len(chosen) >= 5


@pytest.mark.long
@pytest.mark.xdist_group("package")
class TestBuilt:
    """By Chalice, from the package index, for each Python."""

    def test_native_code_fits_lambda_and_webp_and_avif_are_in(self, package, capsys):
        runtime = Runtime(f"python{package.python.version}")
        files = files_of(package.folder)
        assert problems(files, runtime) == []
        libraries = [contents for contents in files.values() if contents.startswith(b"\x7fELF")]
        newest = max(map(glibc_needed, libraries))
        assert len(libraries) > 20
        assert newest <= runtime.glibc
        sizes = package.package
        with capsys.disabled():
            print(
                f"\n{runtime.python} x86_64: zip {sizes.zipped / 1e6:.2f} MB, "
                f"unzipped {sizes.unzipped / 1e6:.2f} MB (bytecode {sizes.bytecode / 1e6:.2f} MB), "
                f"needs glibc {newest[0]}.{newest[1]}, Lambda has {runtime.glibc[0]}.{runtime.glibc[1]}"
            )

    def test_it_stays_small_and_holds_nothing_of_the_development(self, package):
        assert package.package.zipped < 16_000_000  # a third of it is uvloop
        assert package.package.unzipped < 53_000_000
        top = {path.partition("/")[0] for path in files_of(package.folder)}
        assert {name for name in top if not name.endswith((".dist-info", ".libs", ".so"))} == {
            "PIL",
            "cykooz_resizer",
            "orjson",
            "pi_heif",
            "standardwebhooks",
            "uvloop",
            "__pycache__",
            "app.py",
            "chalice",
            "chalicelib",
            "isal",
        }

    def test_the_page_is_in_it_whole(self, package):
        there = files_of(package.folder)
        assert {name: there[f"chalicelib/page/web/{name}"] for name in files.TYPES} == {
            name: (files.WEB / name).read_bytes() for name in files.TYPES
        }

    def test_the_same_sources_give_the_same_bytes(self, package, tmp_path):
        again = unpacked(package.python, tmp_path)
        assert Path(again.package.file).read_bytes() == Path(package.package.file).read_bytes()

    def test_a_requirement_that_chalice_compiles_here_stops_the_build(self, package, tmp_path):
        """A Pillow without a wheel for Lambda: Chalice compiles it without a word."""
        source = tmp_path / "pillow-99.0"
        (source / "PIL").mkdir(parents=True)
        (source / "PIL" / "__init__.py").touch()
        (source / "setup.py").write_text(
            "from setuptools import Distribution, setup\n"
            "Distribution.has_ext_modules = lambda self: True\n"  # its wheel is for this machine alone
            "setup(name='pillow', version='99.0', packages=['PIL'])\n"
        )
        with tarfile.open(tmp_path / "pillow-99.0.tar.gz", "w:gz") as archive:
            archive.add(source, "pillow-99.0")
        with pytest.raises(CommandError, match=r"pillow 99\.0 was compiled on this machine.*: pin in"):
            unpacked(package.python, tmp_path, requirements=str(tmp_path / "pillow-99.0.tar.gz"))

    def test_for_arm64_too(self, package, tmp_path, capsys):
        """By looking at the wheels: nothing of it can run here."""
        runtime = Runtime(f"python{package.python.version}", "arm64")
        try:
            arm = unpacked(package.python, tmp_path, "arm64")
        except CommandError as e:
            if "cannot be had" in str(e):
                pytest.skip(f"no package index: {e}")
            raise
        files = files_of(arm.folder)
        assert problems(files, runtime) == []
        assert {contents[18] for contents in files.values() if contents.startswith(b"\x7fELF")} == {183}
        with capsys.disabled():
            print(f"\n{runtime.python} arm64: zip {arm.package.zipped / 1e6:.2f} MB")


def test_a_requirement_for_one_architecture_is_asked_for_there_alone():
    text = 'a==1\nb==2; platform_machine == "x86_64"  # why\nc==3; python_version < "3.12"\n'
    assert requirements_for(text, "x86_64") == 'a==1\nb==2  # why\nc==3; python_version < "3.12"\n'
    assert requirements_for(text, "aarch64") == 'a==1\nc==3; python_version < "3.12"\n'


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.xdist_group("deployed")
def test_make_deploy_uploads_the_checked_package(deployed):
    (file,) = (deployed.stage.root / ".chalice" / "deployments").glob("*.zip")
    assert zipfile.ZipFile(file).comment == FINISHED
    digest = base64.b64encode(hashlib.sha256(file.read_bytes()).digest()).decode()
    for function in ("enqueue", "drain", "consume", "backfill", "api_handler"):
        name = deployed.stage.function_name(function)
        found = boto3.client("lambda").get_function_configuration(FunctionName=name)
        assert found["CodeSha256"] == digest, function


def test_a_python_that_lambda_has_not_is_refused_with_what_to_do():
    for version in ((3, 10), (3, 15)):
        with pytest.raises(
            CommandError, match=r"this is Python 3\.1., Lambda runs 3\.11 to 3\.14: .*PYTHON="
        ):
            refuse_python(version)
    for supported in VERSIONS:
        refuse_python(tuple(map(int, supported.split("."))))


def test_a_pillow_compiled_here_is_refused_with_what_to_do(pillow):
    (wrong,) = problems({**pillow, **wheel("linux_x86_64")}, Runtime("python3.11"))
    assert wrong == (
        "pillow 13.0.0 was compiled on this machine, which Lambda's python3.11 on x86_64 (glibc 2.26) cannot "
        "load: pin in requirements.txt a version with a wheel for manylinux_2_26 or older, or deploy from a "
        "newer Python (Lambda's glibc is 2.34 from Python 3.12 on)"
    )


@pytest.mark.parametrize("need", PILLOW_NEEDS)
def test_a_pillow_without_a_part_that_thumbnails_need_is_refused(pillow, need):
    del pillow[f"{need}x"]
    (wrong,) = problems(pillow, Runtime("python3.13"))
    assert f"without {need.rstrip('.')}" in wrong


@pytest.mark.parametrize(
    ("tag", "runtime", "expected"),
    [
        ("any", Runtime("python3.11"), True),
        ("manylinux2014_x86_64", Runtime("python3.11"), True),
        ("manylinux_2_28_x86_64", Runtime("python3.11"), False),
        ("manylinux_2_28_x86_64", Runtime("python3.12"), True),
        ("manylinux_2_39_x86_64", Runtime("python3.13"), False),
        ("manylinux_2_28_aarch64", Runtime("python3.13"), False),
        ("manylinux_2_28_aarch64", Runtime("python3.13", "arm64"), True),
        ("linux_x86_64", Runtime("python3.13"), False),
        ("musllinux_1_2_x86_64", Runtime("python3.13"), False),
        ("macosx_11_0_arm64", Runtime("python3.13", "arm64"), False),
    ],
)
def test_which_wheels_fit(tag, runtime, expected):
    assert fits(tag, runtime) is expected


def test_a_wheel_for_several_platforms_fits_when_one_of_them_does(pillow):
    tags = wheel("manylinux_2_28_x86_64", "manylinux2014_x86_64")
    assert problems({**pillow, **tags}, Runtime("python3.11")) == []


def test_a_library_for_another_machine_or_a_newer_glibc_is_refused(pillow):
    files = {**pillow, "a.so": ELF_ARM64, "b.so": ELF_X86 + b"GLIBC_2.9 GLIBC_2.35 GLIBC_PRIVATE"}
    assert problems(files, Runtime("python3.12")) == [
        "a.so is for aarch64, the functions run on x86_64",
        "b.so needs glibc 2.35, Lambda's python3.12 has 2.34",
    ]


def test_nothing_is_left_of_a_refused_package(tmp_path):
    """Chalice would take it again, as it is."""
    file = tmp_path / "package.zip"
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("app.py", "")
    with pytest.raises(CommandError, match="the package would not run on Lambda: Pillow comes without"):
        finish(file, Runtime("python3.13"))
    assert list(tmp_path.iterdir()) == []


def test_a_finished_package_has_fresh_bytecode_for_every_module_and_is_not_finished_again(tmp_path, pillow):
    file = tmp_path / "package.zip"
    with zipfile.ZipFile(file, "w") as package:
        for name, contents in pillow.items():
            package.writestr(name, contents)
        package.writestr("app.py", "x = 1")
        package.writestr("chalicelib/other.py", "print 'for another Python'")
        package.writestr("chalicelib/__pycache__/old.cpython-38.pyc", "stray")
    finish(file, Runtime("python3.13"))
    names = zipfile.ZipFile(file).namelist()
    assert [Path(name).name.partition(".")[0] for name in names if name.endswith(".pyc")] == ["app"]
    before = file.stat().st_mtime_ns
    finish(file, Runtime("python3.13"))
    assert file.stat().st_mtime_ns == before
