import itertools
import json
import subprocess
import urllib.request

import pytest
from conftest import Server, free_port, reachable

from pushnote import sse

SEEDS_README = """
import json

from pushnote import sse
from pushnote.sse import send_event

send_event('myevent', json.dumps({"message": "Hello!"}))
send_event('myevent', {"message": ["of", 2]}, channel='sse')
sse.publish({"message": "Hello!"}, type='greeting')
"""


def test_flask_sse_readers_get_it(start, publish_from, tmp_path):
    port = free_port()
    redis = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--dir", tmp_path], stdout=subprocess.DEVNULL)
    try:
        reachable(port)
        server = Server(start, redis=f"redis://127.0.0.1:{port}")
        stream = urllib.request.urlopen(f"http://127.0.0.1:{server.port}/stream", timeout=20)
        publish_from(SEEDS_README, PUSHNOTE_MQ_SOCKET=server.address)
        # Who comes before Redis is reached is told of a gap first.
        lines = itertools.dropwhile(lambda line: line != "event: myevent", (line.decode().strip() for line in stream))
        told = [next(line for line in lines if line.startswith(field)) for field in ("event:", "data:", "event:", "data:")]
        assert next(line for line in lines if line.startswith("event:")) == "event: greeting"
        assert told[0] == told[2] == "event: myevent"
        assert told[1] == 'data: {"message": "Hello!"}'
        assert json.loads(told[3].removeprefix("data: ")) == {"message": ["of", 2]}
    finally:
        redis.terminate()
        redis.wait(10)


def test_what_is_the_servers_is_refused():
    for more in ({"id": 1}, {"retry": 1000}):
        with pytest.raises(ValueError, match="are the server's"):
            sse.publish("x", **more)
