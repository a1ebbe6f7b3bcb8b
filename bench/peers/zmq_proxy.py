"""The relay of libzmq: XSUB to XPUB by its own proxy, which waits for slow subscribers instead of dropping messages."""

import sys

import zmq

context = zmq.Context()
frontend, backend = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
backend.setsockopt(zmq.XPUB_NODROP, 1)
frontend.bind(sys.argv[1])
backend.bind(sys.argv[2])
zmq.proxy(frontend, backend)  # C from here on
