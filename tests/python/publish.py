"""Publishes the lines of standard input on a connecting PUB socket, each as a message of one part.

A line `hex: 00ff 61` is published as those bytes, in as many parts as there are groups.
"""

import sys

import zmq

context = zmq.Context()
# An XPUB is a PUB that hears subscriptions: with the first one the other side is there.
socket = context.socket(zmq.XPUB)
socket.setsockopt(zmq.SNDHWM, 0)
socket.connect(sys.argv[1])
assert socket.recv()[:1] == b"\x01"
print("subscribed", flush=True)

for line in sys.stdin:
    line = line.rstrip("\n")
    if line.startswith("hex:"):
        socket.send_multipart([bytes.fromhex(part) for part in line[4:].split(" ")[1:]])
    else:
        socket.send(line.encode())
