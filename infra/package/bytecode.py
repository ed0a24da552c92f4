"""`python -I bytecode.py FOLDER` compiles every module there, in a process that has done nothing else.

Else the bytes may differ: whether a constant is written twice or referred to depends on how often the
interpreter holds it. Beside each module `x.py` is then `x.pyc`; one that cannot be compiled, being for
another Python, has none.
"""

import contextlib
import py_compile
import sys
from pathlib import Path

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for source in sorted(folder.rglob("*.py")):
        with contextlib.suppress(py_compile.PyCompileError):
            py_compile.compile(
                str(source),
                str(source.with_suffix(".pyc")),
                dfile=source.relative_to(folder).as_posix(),
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
