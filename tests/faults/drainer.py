"""One tick in a process of its own, with the settings in the environment: something to kill.

`python -m tests.faults.drainer SECONDS`. Prints the tick's own line of JSON.
"""

import contextlib
import sys
import time

from chalicelib.config import Config
from chalicelib.drain import tick
from chalicelib.errors import TickFailed

began = time.monotonic()
with contextlib.suppress(TickFailed):  # its result is in the line
    tick.run(Config.from_env(), lambda: int(1000 * (float(sys.argv[1]) - (time.monotonic() - began))))
