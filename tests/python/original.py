# -*- coding: utf-8 -*-
"""The original pushnote as an application of its age ran it: Python 2, Django, libzmq 2.

    original.py ENDPOINT [--debug]                  publishes what the lines of standard input say
    original.py ENDPOINT --listen [TOPIC]           prints what a SUB socket hears
    original.py ENDPOINT --forward ENDPOINT         is its forwarder, from the second to the first

Told, as JSON: {"notify_all": DATA}, {"notify": DATA, "user": ID}, {"tokenize": ID}.
Says: `ready LIBZMQ`, `token TOKEN`, `heard MESSAGE`.
"""

import collections
import json
import sys

import zmq
from django.conf import settings

User = collections.namedtuple("User", "id")


def say(*words):
    print(" ".join(words))
    sys.stdout.flush()


def publish(endpoint, debug):
    settings.configure(DEBUG=debug, PUSHNOTE_MQ_SOCKET=endpoint, PUSHNOTE_SALT="a salt of the test suites")
    # Without DEBUG its socket connects here, as it is imported.
    from pushnote import pub, utils
    say("ready", zmq.zmq_version())
    # Iterating over the file would read ahead.
    for line in iter(sys.stdin.readline, ""):
        told = json.loads(line)
        if "notify_all" in told:
            pub.notify_all(told["notify_all"])
        elif "notify" in told:
            pub.notify(told["notify"], [User(told["user"])])
        else:
            say("token", utils.tokenize(User(told["tokenize"])))


def listen(endpoint, topic):
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, topic)
    socket.connect(endpoint)
    say("ready", zmq.zmq_version())
    while True:
        say("heard", socket.recv())


def forward(pub, sub):
    from pushnote import mq
    sys.argv[1:] = ["--sub", sub, "--pub", pub]
    say("ready", zmq.zmq_version())
    mq.main()


def main():
    endpoint, further = sys.argv[1], sys.argv[2:]
    if further[:1] == ["--listen"]:
        listen(endpoint, "".join(further[1:]))
    elif further[:1] == ["--forward"]:
        forward(endpoint, further[1])
    else:
        publish(endpoint, further == ["--debug"])


main()
