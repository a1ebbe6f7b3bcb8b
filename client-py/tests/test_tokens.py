import pytest
from conftest import SECRET
from django.core import signing

from pushnote import NotConfigured, tokens, utils


class User:
    def __init__(self, pk):
        self.pk = pk


def test_tokens_are_djangos():
    token = utils.tokenize(User(42))
    assert signing.TimestampSigner(key=SECRET, salt="pushnote.timestamped").unsign(token, max_age=60) == "42"
    channel = utils.tokenize_channel("Straße")
    assert signing.TimestampSigner(key=SECRET, salt="pushnote.channel").unsign(channel, max_age=60) == "Straße"


@pytest.mark.parametrize("value", ["42", "a:b", "Jürgen"])
@pytest.mark.parametrize("now", [1, 61, 62, 1_700_000_000])
def test_every_time_is_written_as_django_writes_it(value, now, monkeypatch):
    monkeypatch.setattr("django.core.signing.time.time", lambda: now)
    expected = signing.TimestampSigner(key=SECRET, salt="some salt").sign(value)
    assert tokens.timestamped(value, SECRET, "some salt", now) == expected


@pytest.mark.parametrize(("user", "error"), [(User(None), ValueError), (3.5, TypeError), (True, TypeError), ("", ValueError)])
def test_nobody_gets_no_token(user, error):
    with pytest.raises(error):
        utils.tokenize(user)


def test_a_secret_that_no_server_takes_is_refused(settings):
    settings.SECRET_KEY = "short"
    with pytest.raises(NotConfigured, match="5 bytes"):
        utils.tokenize(1)
