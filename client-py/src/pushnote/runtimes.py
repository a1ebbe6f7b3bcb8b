"""What a program may run under that is not plain Python: uWSGI, gevent, eventlet."""

from __future__ import annotations

import os
import sys
from typing import Any

import zmq

from pushnote.errors import NotConfigured

BY_HTTP = "publish by HTTP (PUSHNOTE_MQ_SOCKET=http://…)"

FORK_HOOKS = "py-call-uwsgi-fork-hooks"
"""uWSGI's option to fork as Python does."""


def sockets() -> Any:
    """Where sockets and pollers are from: where gevent has put its own in the place of threads, one that blocked would block all.

    :raises NotConfigured: eventlet has.
    """
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        raise NotConfigured(f"eventlet has taken the place of threads, in which ZeroMQ would block the program: {BY_HTTP}")
    if gevent is not None and gevent.is_module_patched("threading"):
        from zmq import green

        return green
    return zmq


def refuse_where_no_thread_can_be() -> None:
    """Look whether uWSGI lets a thread run here.

    Older ones run none unless they are told to. And it forks without Python, unless it is told otherwise: a worker that is forked
    off while a thread has the interpreter's lock waits for that thread for ever, which is not there.

    :raises NotConfigured: no thread can be here.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None:
        return
    if not uwsgi.has_threads:
        raise NotConfigured(f"uWSGI runs no threads, and ZeroMQ needs one: start it with --enable-threads, or {BY_HTTP}")
    master = uwsgi.masterpid()
    # Without a master the first worker forks the others off.
    forks = uwsgi.worker_id() == 0 and (master == os.getpid() or (master == 0 and uwsgi.numproc > 1))
    if forks and FORK_HOOKS not in uwsgi.opt:
        raise NotConfigured(
            "uWSGI has not forked off its workers yet, which would wait for ever for what ZeroMQ's thread holds: start it with "
            f"--lazy-apps, which loads the application in each worker, or with --{FORK_HOOKS}; or {BY_HTTP}"
        )
