"""Publishes as applications with flask-sse do: what it is told on its standard input, one JSON object a line, and says to how
many it went. `{"publish": {…}}` are the arguments of flask-sse 1.0.0's sse.publish; `{"send_event": [event, data, channel]}` is
what DazWorrall's flask-sse does with them; `{"raw": text, "channel": …}` is that payload.

usage: flask_sse_publish.py redis://HOST:PORT
"""

import json
import sys

from flask import Flask
from flask_sse import sse

app = Flask("publisher")
app.config["REDIS_URL"] = sys.argv[1]


def publish(what):
    if "publish" in what:
        return sse.publish(**what["publish"])
    if "send_event" in what:
        event, data, channel = what["send_event"]
        return sse.redis.publish(channel, json.dumps([event, data]))
    return sse.redis.publish(what["channel"], what["raw"])


for line in sys.stdin:
    with app.app_context():
        print("published to", publish(json.loads(line)), flush=True)
