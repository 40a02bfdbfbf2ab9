"""A call in a fork."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable


def forked(call: Callable[..., object], *arguments: object) -> int:
    """The number of a fork that makes a call and ends with 0, or says what it raised and ends with 1."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        call(*arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
