"""Asks what the lines of standard input say, one after the other, and prints the answers.

REQ is libzmq's own; DEALER puts the empty frame in front that REQ would; BARE is a DEALER that does not.
"""

import sys

import zmq

kind, endpoint = sys.argv[1:]
socket = zmq.Context().socket(zmq.REQ if kind == "REQ" else zmq.DEALER)
socket.connect(endpoint)
for line in sys.stdin:
    body = line.rstrip("\n").encode()
    socket.send_multipart([b"", body] if kind == "DEALER" else [body])
    print("answer", socket.recv_multipart()[-1].decode(), flush=True)
