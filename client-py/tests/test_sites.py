"""Projects as the READMEs of the two originals make them, with this package in their place, on each Django, in Chromium."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.request

import pytest
from conftest import PROGRAMS, ROOT, free_port, reachable

TESTS = ROOT / "tests"
NEWEST = TESTS / ".venv-newest"

#: A Python with a Django, by the version of that.
DJANGOS = {
    "4.2": (sys.executable, str(TESTS / ".venv" / "django-4.2")),
    "5.2": (sys.executable, ""),
    "6.1": (str(NEWEST / "bin" / "python"), ""),
}

SETTINGS = """
SECRET_KEY = "a secret of the test suite, long enough for any server"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = (
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    %(app)r,
)
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "DIRS": ["."],
    "OPTIONS": {"context_processors": [
        "django.contrib.auth.context_processors.auth",
        "django.template.context_processors.static",
    ]},
}]
STATIC_URL = "/static/"
STATICFILES_DIRS = [%(scripts)r]
INTERNAL_IPS = ("127.0.0.1",)
"""

URLS = """
import django
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import include, path, re_path

def sign_in(request):
    user, _ = User.objects.get_or_create(username="jana", email="pushnote@mail.com")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("/")

def page(request):
    return render(request, "page.html", {"port": request.GET.get("port")})

def version(request):
    return HttpResponse(".".join(map(str, django.VERSION[:2])))

urlpatterns = [path("sign-in", sign_in), path("version", version), path("", page)]
"""

PUSHNOTE_VIEW = """
from pushnote.pub import notify, notify_all
from pushnote.utils import tokenize

def say(request):
    notify_all({'msg': u'Hi all!'})
    user = User.objects.get(email='pushnote@mail.com')
    notify({'msg': u'Hi, %s!' % user.username}, users=[user])
    assert tokenize(user)
    return HttpResponse("said")

urlpatterns.append(path("say", say))
"""

PUSHNOTE_PAGE = """
<script src="{% static "sockjs.js" %}"></script>
<script>
    var token = {% pushnote_token %};
    SockJS.prototype.emit = function (name, data) { // wrapper around SockJS.send for pushnote's protocol support
        var meta_dict = {
            name:name,
            data:data
        };
        this.send(JSON.stringify(meta_dict))
    };
    conn = new SockJS('http://127.0.0.1:PORT/sockjs')
    conn.onopen = function () {
        conn.emit('subscribe', {'token': token});
        fetch('/say');
    };
    conn.onmessage = function (e){ console.log(e.data); };
</script>
"""

PUSHSERVER_VIEW = """
from django import dispatch
from pushserver import signals
from pushserver.utils import updates

@dispatch.receiver(signals.channel_subscribe)
def process_channel_subscribe(sender, request, channel_id, **kwargs):
    print("Subscribed", request.user, channel_id, flush=True)

@dispatch.receiver(signals.channel_unsubscribe)
def process_channel_unsubscribe(sender, request, channel_id, **kwargs):
    print("Unsubscribed", request.user, channel_id, flush=True)

def say(request):
    channel_id = 'some_channel_id'
    data = {
        'type': 'answer',
        'value': 42,
    }
    updates.send_update(channel_id, data)
    return HttpResponse("said")

urlpatterns += [path("say", say), re_path(r'^passthrough', include('pushserver.urls'))]
"""

PUSHSERVER_PAGE = """
<script type="text/javascript" src="{{ STATIC_URL }}jquery.js"></script>
<script type="text/javascript" src="{{ STATIC_URL }}pushserver/updates.js"></script>
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


class Site:
    """A project, and the processes it has."""

    def __init__(self, folder, django, app, settings, urls, page):
        scripts = folder / "scripts"
        scripts.mkdir()
        (scripts / "sockjs.js").symlink_to(TESTS / "node_modules/sockjs-client/dist/sockjs.js")
        (scripts / "jquery.js").symlink_to(TESTS / "node_modules/jquery/dist/jquery.js")
        (folder / "settings.py").write_text(SETTINGS % {"app": app, "scripts": str(scripts)} + settings)
        (folder / "urls.py").write_text(URLS + urls)
        (folder / "page.html").write_text("<!DOCTYPE html>{% load static " + app + " %}" + page)
        self.folder = folder
        self.django = django
        self.python, packages = DJANGOS[django]
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": ":".join(filter(None, [packages, str(folder), os.environ["PYTHONPATH"]])),
            "PUSHNOTE_SERVER": str(PROGRAMS / "pushnote-server"),
        }
        self.running = []
        self.said = queue.Queue()
        self.manage("migrate", "--verbosity=0").wait(60)

    def manage(self, *arguments):
        process = subprocess.Popen(
            [self.python, "-m", "django", *arguments], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._hear, args=(process.stdout,), daemon=True).start()
        self.running.append(process)
        return process

    def _hear(self, lines):
        for line in lines:
            self.said.put(line.strip())

    def until(self, line, seconds=30):
        while self.said.get(timeout=seconds) != line:
            pass

    def serve(self, port):
        """Run Django's own server, and see that it is the Django that is meant."""
        self.manage("runserver", "--noreload", str(port))
        reachable(port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=10) as answer:
            assert answer.read().decode() == self.django

    def browse(self, address, count):
        """What a page says on its console, in Chromium, which is closed when that is so much."""
        flags = ["--page", address, "--count", str(count), "--lifetime_s", "60"]
        browser = subprocess.Popen(["node", TESTS / "browser/browser.mjs", *flags], stdout=subprocess.PIPE, text=True)
        self.running.append(browser)
        return (json.loads(line)["data"] for line in browser.stdout if json.loads(line)["event"] == "message")

    def end(self):
        for process in reversed(self.running):
            if "node" not in process.args:
                process.send_signal(signal.SIGINT if "runserver" in process.args else signal.SIGTERM)
        for process in self.running:
            process.wait(30)


@pytest.fixture(params=DJANGOS)
def site(request, tmp_path):
    absent = NEWEST / "absent"
    if request.param == "6.1" and absent.exists():
        pytest.skip(absent.read_text().strip())
    made = []

    def make(*what):
        made.append(Site(tmp_path, request.param, *what))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_the_readme_of_pushnote(site):
    mq, port, web = free_port(), free_port(), free_port()
    settings = f"PUSHNOTE_MQ_SOCKET = 'tcp://127.0.0.1:{mq}'\n"
    project = site("pushnote", settings, PUSHNOTE_VIEW, PUSHNOTE_PAGE.replace("PORT", str(port)))
    project.manage("runpushnote", str(port))
    project.serve(web)
    reachable(port)
    messages = project.browse(f"http://127.0.0.1:{web}/sign-in", 2)
    assert [next(messages), next(messages)] == [{"msg": "Hi all!"}, {"msg": "Hi, jana!"}]


@pytest.mark.parametrize("all_requests", [False, True])
def test_the_readme_of_django_pushserver(site, all_requests):
    port, web = free_port(), free_port()
    settings = f"""
PUSH_SERVER = {{
    'port': {port},
    'address': '127.0.0.1',
    'publisher_host': {{'location': '127.0.0.1:{port}', 'secure': True}},
    'subscriber_host': {{'location': '127.0.0.1:{port}', 'secure': False}},
    'store': {{'type': 'memory', 'min_messages': 0, 'max_messages': 100, 'message_timeout': 10}},
    'locations': (
        {{
            'type': 'subscriber',
            'url': r'/updates/([^/]+)',
            'polling': 'long',
            'create_on_get': True,
            'allow_origin': 'http://127.0.0.1:{web}',
            'allow_credentials': True,
            'passthrough': 'http://127.0.0.1:{web}/passthrough',
        }},
        {{'type': 'publisher', 'url': r'/send-update/([^/]+)'}},
    ),
}}
"""
    project = site("pushserver", settings, PUSHSERVER_VIEW, PUSHSERVER_PAGE)
    more = ["--allrequests", f"--application=http://127.0.0.1:{web}", str(port)] if all_requests else []
    project.manage("runpushserver", *more)
    project.serve(web)
    reachable(port)
    messages = project.browse(f"http://127.0.0.1:{port if all_requests else web}/sign-in", 1)
    project.until("Subscribed jana some_channel_id")
    urllib.request.urlopen(f"http://127.0.0.1:{web}/say", timeout=10).close()
    assert next(messages) == 42
    # Which was all that the page waits for: it is closed.
    project.until("Unsubscribed jana some_channel_id")
