# -*- coding: utf-8 -*-
"""A site as django-pushserver's README makes one: Python 2, a Django of its age, its publisher, its script, its tag, its view for
passthrough and its signals, all unchanged.

    pushserver_site.py JQUERY

JQUERY is the file of jQuery. Told, as JSON, line by line: {"push_server": "HOST:PORT"}, {"send_update": [CHANNEL, DATA]}.
Says: `listening on http://…`, `told`, `sent`, `subscribed USER CHANNEL`, `unsubscribed USER CHANNEL`.
"""

import json
import os
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pushserver
from django.conf import settings

# What the README has in settings.py; whoever starts it says where the push server is.
PUSH_SERVER = {
    'publisher_host': {'secure': False},
    'subscriber_host': {'secure': False},
    'locations': (
        {'type': 'subscriber', 'url': r'/updates/([^/]+)'},
        {'type': 'publisher', 'url': r'/send-update/([^/]+)'},
    ),
}

settings.configure(
    DEBUG=True,
    SECRET_KEY='a secret of the test suites',
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=('pushserver',),
    INTERNAL_IPS=('127.0.0.1',),
    ALLOWED_HOSTS=('*',),
    PUSH_SERVER=PUSH_SERVER,
)

from django import dispatch, http
from django.conf.urls import include, patterns, url
from django.core.wsgi import get_wsgi_application
from django.template import Context, Template
from pushserver import signals
from pushserver.utils import updates

PAGE = """<!DOCTYPE html>
<script type="text/javascript" src="/jquery.js"></script>
<script type="text/javascript" src="/static/pushserver/updates.js"></script>
{% load pushserver %}
<script type="text/javascript">
    $.updates.subscribe({
        'main_channel': '{% filter escapejs %}{% channel_url "some_channel_id" %}{% endfilter %}'
    });
    function updateAnswer(data) {
        console.log(data.value);
    }
    $.updates.registerProcessor('main_channel', 'answer', updateAnswer);
</script>
"""


def say(*words):
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


@dispatch.receiver(signals.channel_subscribe)
def process_channel_subscribe(sender, request, channel_id, **kwargs):
    say("subscribed", request.COOKIES.get("user"), channel_id)


@dispatch.receiver(signals.channel_unsubscribe)
def process_channel_unsubscribe(sender, request, channel_id, **kwargs):
    say("unsubscribed", request.COOKIES.get("user"), channel_id)


def page(request):
    response = http.HttpResponse(Template(PAGE).render(Context()))
    response.set_cookie("user", "jana")
    return response


def script(path):
    def view(request):
        with open(path) as source:
            return http.HttpResponse(source.read(), content_type="text/javascript")
    return view


static = os.path.join(os.path.dirname(pushserver.__file__), "static", "pushserver", "updates.js")
urlpatterns = patterns(
    '',
    url(r'^passthrough', include('pushserver.urls')),
    url(r'^$', page),
    url(r'^jquery.js$', script(sys.argv[1])),
    url(r'^static/pushserver/updates.js$', script(static)),
)


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


def told():
    for line in iter(sys.stdin.readline, ""):
        what = json.loads(line)
        if "push_server" in what:
            for host in ("publisher_host", "subscriber_host"):
                PUSH_SERVER[host]["location"] = what["push_server"]
            say("told")
        else:
            updates.send_update(*what["send_update"])
            say("sent")


application = get_wsgi_application()
server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
say("listening on http://127.0.0.1:%d" % server.server_port)
talking = threading.Thread(target=told)
talking.daemon = True
talking.start()
server.serve_forever()
