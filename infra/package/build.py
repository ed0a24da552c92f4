"""The deployment package: built by Chalice's own packager, then checked, and given its bytecode.

`make deploy` builds it before it changes anything in the account, and Chalice uploads that very file (see
infra/deploying/chalice_cli.py).
Alone, `python -m infra.package.build [STAGE [PROJECT]]` builds it and prints its sizes.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from chalice.config import Config as ChaliceConfig
from chalice.deploy import packager
from chalice.utils import UI, OSUtils

from infra.errors import CommandError
from infra.package.checks import Runtime, problems

# In the zip's comment: checked and compiled. Chalice takes a package again while its sources are the same.
FINISHED = b"s3-event-scheduler: checked, with bytecode (2)"
# Of Pillow's wheel, what draws text, and the libraries that nothing else there needs: 1.2 MB of the zip.
NOT_NEEDED = (
    "PIL/_imagingft.",
    *(
        f"pillow.libs/lib{name}"
        for name in ("freetype-", "harfbuzz-", "brotlicommon-", "brotlidec-", "png16-")
    ),
)
BYTECODE = Path(__file__).with_name("bytecode.py")
# Every entry's date, so that the same sources give the same bytes, and Lambda no new version of the code.
EPOCH = (1980, 1, 1, 0, 0, 0)
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, bytes
MAX_UNZIPPED = 250 * 1024 * 1024
# The deploying Python's version is the functions'. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
OLDEST, NEWEST = (3, 11), (3, 14)


@dataclass(frozen=True)
class Package:
    """A finished package on disk. Sizes in bytes; `bytecode` is the part of `unzipped` that we added."""

    file: str
    zipped: int
    unzipped: int
    bytecode: int


class CheckedPackager(packager.LambdaDeploymentPackager):
    """Chalice's packager, whose packages are finished before anyone gets them. Raises CommandError."""

    def create_deployment_package(self, project_dir: str, python_version: str) -> str:
        file = Path(super().create_deployment_package(project_dir, python_version))
        finish(file, Runtime(python_version, self._architecture))
        return str(file)


# A requirement for one architecture, such as `name==1; platform_machine == "x86_64"`.
_FOR_MACHINE = re.compile(r'\s*;\s*platform_machine == "(\w+)"')


def requirements_for(text: str, machine: str) -> str:
    """The requirements of a function on `machine`, x86_64 or aarch64: pip would ask for this machine's."""
    lines = []
    for line in text.splitlines():
        found = _FOR_MACHINE.search(line)
        if not found or found[1] == machine:
            lines.append(_FOR_MACHINE.sub("", line))
    return "\n".join(lines) + "\n"


class _Requirements(packager.DependencyBuilder):
    """Chalice only warns of a requirement it could not get, and packages the rest; nor does it know that a
    requirement may be for one architecture."""

    def build_site_packages(self, abi: str, requirements_filepath: str, target_directory: str) -> None:
        requirements = Path(requirements_filepath).read_text()
        try:
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
                file.write(requirements_for(requirements, self._machine))
                file.flush()
                super().build_site_packages(abi, file.name, target_directory)
        except packager.MissingDependencyError as e:
            missing = ", ".join(sorted(package.identifier for package in e.missing))
            raise CommandError(
                f"no package for Lambda of {missing}: pin a version with a wheel for it"
            ) from e
        except (packager.PackageDownloadError, packager.NoSuchPackageError) as e:
            raise CommandError(f"the requirements cannot be downloaded: {e}") from e


def build(root: Path, stage: str) -> Package:
    """The package of the project in `root` for Lambda's runtime of this very Python's version.

    Raises CommandError, saying all that would not work there.
    """
    refuse_python(sys.version_info[:2])
    settings = json.loads((root / ".chalice" / "config.json").read_text())
    config = ChaliceConfig(chalice_stage=stage, config_from_disk=settings)
    architecture, osutils, silent = config.lambda_architecture, OSUtils(), io.StringIO()
    requirements = _Requirements(osutils, architecture=architecture)
    builder = CheckedPackager(osutils, requirements, UI(silent, silent), architecture)
    return measure(Path(builder.create_deployment_package(str(root), config.lambda_python_version)))


def refuse_python(version: tuple[int, int]) -> None:
    """Raises CommandError for a Python that Lambda has no runtime of: its first function would fail."""
    if not OLDEST <= version <= NEWEST:
        oldest, newest, this = (".".join(map(str, one)) for one in (OLDEST, NEWEST, version))
        raise CommandError(
            f"this is Python {this}, Lambda runs {oldest} to {newest}: rm -r .venv; make PYTHON=python3.13"
        )


def measure(file: Path) -> Package:
    """The sizes of a finished package."""
    with zipfile.ZipFile(file) as package:
        entries = package.infolist()
    bytecode = sum(entry.file_size for entry in entries if entry.filename.endswith(".pyc"))
    return Package(str(file), file.stat().st_size, sum(entry.file_size for entry in entries), bytecode)


def finish(file: Path, runtime: Runtime) -> None:
    """Check the package and add the bytecode, in place; nothing is left of one that fails.

    A package that is finished already is left alone. Raises CommandError.
    """
    with zipfile.ZipFile(file) as package:
        if package.comment == FINISHED:
            return
        files = {entry.filename: package.read(entry) for entry in package.infolist()}
    # Bytecode that lay about in the checkout is of any Python and any age.
    files = {
        path: contents
        for path, contents in files.items()
        if not path.endswith(".pyc") and not path.startswith(NOT_NEEDED)
    }
    files |= compiled(files)
    wrong = problems(files, runtime)
    if (size := sum(map(len, files.values()))) > MAX_UNZIPPED:
        wrong.append(f"it has {size:,} bytes, Lambda takes {MAX_UNZIPPED:,}")
    if wrong:
        file.unlink()
        raise CommandError("the package would not run on Lambda: " + "; ".join(wrong))
    beside = file.with_suffix(".unfinished")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as finished:
        for path, contents in sorted(files.items()):
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.external_attr = 0o644 << 16  # Lambda reads it as another user
            entry.compress_type = zipfile.ZIP_DEFLATED
            finished.writestr(entry, contents)
        finished.comment = FINISHED
    beside.replace(file)


def compiled(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The bytecode of every module, by its path in `__pycache__`, for this very Python's version.

    Unchecked hashes (https://peps.python.org/pep-0552/): Python takes it without a look at the source's date,
    which a zip changes. Bytecode of another version is passed over, and the source compiled.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        modules = [path for path in files if path.endswith(".py")]
        for path in modules:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(files[path])
        subprocess.run([sys.executable, "-I", BYTECODE, name], check=True)
        return {
            importlib.util.cache_from_source(path, optimization=""): made.read_bytes()
            for path in modules
            if (made := (folder / path).with_suffix(".pyc")).exists()
        }


def main(stage: str = "local", root: str = os.curdir) -> None:
    """Build the package of a project's stage, and print the Package as JSON."""
    try:
        print(json.dumps(asdict(build(Path(root).resolve(), stage))))
    except CommandError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main(*sys.argv[1:])
