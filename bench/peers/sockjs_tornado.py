"""sockjs-tornado fed by pyzmq, as the original pushnote was built.

What a PUB socket sends as {"name": "notify_all", "data": ...} goes to every connection.
Usage: python sockjs_tornado.py PORT ZMQ_PORT
"""

import asyncio
import json
import sys

import tornado.web
import zmq
import zmq.asyncio
from sockjs.tornado import SockJSConnection, SockJSRouter


class Connection(SockJSConnection):
    everyone = set()

    def on_open(self, request):
        self.everyone.add(self)

    def on_close(self):
        self.everyone.discard(self)


async def relay(port):
    socket = zmq.asyncio.Context.instance().socket(zmq.SUB)
    socket.bind(f"tcp://127.0.0.1:{port}")
    socket.subscribe(b"")
    router = None
    while True:
        data = json.loads(await socket.recv())["data"]
        if Connection.everyone:
            router = router or next(iter(Connection.everyone)).session.conn
            router.broadcast(Connection.everyone, data)


async def main(port, zmq_port):
    router = SockJSRouter(Connection, "/sockjs")
    tornado.web.Application(router.urls).listen(port, "127.0.0.1", backlog=4096)
    await relay(zmq_port)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
