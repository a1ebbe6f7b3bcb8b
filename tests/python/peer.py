"""A libzmq socket that does what the lines of standard input say, and prints what it receives.

    peer.py PUB|XPUB|SUB|XSUB bind|connect ENDPOINT [--heartbeat MS] [TOPIC...]
        [--curve-secret-key=KEY [--curve-server-key=KEY]]

With a secret key it is a CURVE server; with the key of a server, too, a client.

Told: `send PART...`, `knock PART...` (send again and again until `quiet`), `subscribe TOPIC`, `unsubscribe TOPIC`,
`disconnects`. Says: `ready ENDPOINT`, `got PART...`, `disconnects COUNT`. Parts and topics are hex, `-` if empty.
"""

import argparse
import os
import sys

import zmq
from zmq.utils.monitor import recv_monitor_message

KNOCK_MS = 10


def told(word):
    return b"" if word == "-" else bytes.fromhex(word)


def said(part):
    return part.hex() or "-"


class Peer:
    def __init__(self, kind, heartbeat_ms, secret_key, server_key):
        self.socket = zmq.Context.instance().socket(getattr(zmq, kind))
        self.socket.linger = 0
        # Nothing may be lost here that the other side did not lose.
        self.socket.set_hwm(0)
        if heartbeat_ms:
            self.socket.heartbeat_ivl = heartbeat_ms
            self.socket.heartbeat_timeout = 2 * heartbeat_ms
            self.socket.heartbeat_ttl = 4 * heartbeat_ms
        if secret_key:
            self.socket.curve_secretkey = secret_key.encode()
            self.socket.curve_publickey = zmq.curve_public(secret_key.encode())
            if server_key:
                self.socket.curve_serverkey = server_key.encode()
            else:
                self.socket.curve_server = True
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.disconnects = 0
        self.knock = None

    def subscribe(self, topic):
        if self.socket.type == zmq.SUB:
            self.socket.subscribe(topic)
        else:
            self.socket.send(b"\x01" + topic)

    def unsubscribe(self, topic):
        if self.socket.type == zmq.SUB:
            self.socket.unsubscribe(topic)
        else:
            self.socket.send(b"\x00" + topic)

    def obey(self, line):
        verb, *words = line.split()
        words = [told(word) for word in words]
        if verb == "send":
            self.socket.send_multipart(words)
        elif verb == "knock":
            self.knock = words
        elif verb == "quiet":
            self.knock = None
        elif verb == "subscribe":
            self.subscribe(*words)
        elif verb == "unsubscribe":
            self.unsubscribe(*words)
        elif verb == "disconnects":
            self.count_disconnects()
            print("disconnects", self.disconnects)
        else:
            sys.exit(f"cannot {verb}")

    def count_disconnects(self):
        while self.monitor.poll(0):
            recv_monitor_message(self.monitor)
            self.disconnects += 1

    def receive(self):
        try:
            while True:
                print("got", *map(said, self.socket.recv_multipart(zmq.NOBLOCK)))
        except zmq.Again:
            pass

    def run(self):
        """Polls the socket even when it only sends: it is in such calls that libzmq does what peers ask for."""
        poller = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        poller.register(0, zmq.POLLIN)
        unread = b""
        while True:
            sys.stdout.flush()
            ready = dict(poller.poll(KNOCK_MS if self.knock else None))
            if self.socket in ready:
                self.receive()
            if 0 in ready:
                chunk = os.read(0, 1 << 20)
                if not chunk:
                    return
                *lines, unread = (unread + chunk).split(b"\n")
                for line in lines:
                    self.obey(line.decode())
            if self.knock:
                self.socket.send_multipart(self.knock)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("kind", choices=["PUB", "XPUB", "SUB", "XSUB"])
    arguments.add_argument("way", choices=["bind", "connect"])
    arguments.add_argument("endpoint")
    arguments.add_argument("--heartbeat", type=int, default=0)
    arguments.add_argument("--curve-secret-key")
    arguments.add_argument("--curve-server-key")
    arguments.add_argument("topics", nargs="*")
    given = arguments.parse_intermixed_args()
    peer = Peer(given.kind, given.heartbeat, given.curve_secret_key, given.curve_server_key)
    getattr(peer.socket, given.way)(given.endpoint)
    for topic in given.topics:
        peer.subscribe(told(topic))
    print("ready", peer.socket.last_endpoint.decode())
    peer.run()


main()
