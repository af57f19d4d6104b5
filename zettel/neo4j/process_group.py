"""Groups of processes: waiting for their end, and ending them when this process is gone."""

from __future__ import annotations

import os
import subprocess
import time

#: A shell script that ends a group of processes when the process that started it is gone. However that process ends,
#: the pipe that the script reads from is closed.
_WATCHER = """\
read -r group || exit
read -r end
tries=0
while [ "$tries" -lt 20 ] && kill -s TERM -- "-$group" && kill -s CONT -- "-$group"; do
    tries=$((tries + 1))
    sleep 1
done 2>/dev/null
kill -s KILL -- "-$group" 2>/dev/null
"""


def end_with_this_process(group: int) -> subprocess.Popen[bytes]:
    """A new process that ends a group of processes when this process is gone; its input must stay open."""
    command = ["/bin/sh", "-c", _WATCHER]
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
    if watcher.stdin is not None:
        watcher.stdin.write(b"%d\n" % group)
        watcher.stdin.flush()
    return watcher


def await_end(leader: subprocess.Popen[bytes], patience_s: float) -> None:
    """Wait at most ``patience_s`` for the end of a whole group of processes: its leader may end before the others."""
    deadline = time.monotonic() + patience_s
    while (leader.poll() is None or _is_there(leader.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
