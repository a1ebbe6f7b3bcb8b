"""Hears a webhook on loopback and verifies it as Standard Webhooks has it, with nothing of ours.

Usage: webhook.py SECRET. Says its port first. The first request is answered with 500; of the others, each event is a line:
the request's id, then the event as JSON. What does not verify is a line that begins with "refused".
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = base64.b64decode(sys.argv[1])
TOLERANCE_S = 300
first = True


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        global first
        body = self.rfile.read(int(self.headers["content-length"]))
        name, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = f"{name}.{stamp}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        signatures = self.headers["webhook-signature"].split(" ")
        good = any(hmac.compare_digest(wanted, signature) for signature in signatures)
        if not good or abs(time.time() - int(stamp)) > TOLERANCE_S:
            print("refused", name, flush=True)
            return self.answer(401)
        if first:
            first = False
            print("again", name, flush=True)
            return self.answer(500)
        for event in json.loads(body):
            print(name, json.dumps(event), flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print("listening on", server.server_port, flush=True)
server.serve_forever()
