"""Looking for garbage seldom: a process has half a million objects from its start that never are.

Python's collector walks through all of them whenever a request or a batch has made a quarter more,
and starts over with the young ones after every 700: a sixth to a third of the time of a call with a
thousand items (`make bench NAME=subscribers` with and without). What reference counts free is not
concerned.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 50_000


def set_apart_what_is_loaded() -> None:
    """For a process that has loaded its code and now serves; once, at the start of its service."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
