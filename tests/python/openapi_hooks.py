"""What schemathesis does not know of pushnote's API. It loads this as SCHEMATHESIS_HOOKS says."""

import re

import schemathesis


# The largest text that a push may have, beside others: together they may have as much.
PUSH_TEXT_MAX = 3000

SUBSCRIPTION = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    # Nobody listens there.
    "endpoint": "https://127.0.0.1:9/x",
}


@schemathesis.hook
def map_body(context, body):
    """JSON Schema takes 42.0 for an integer; a user's id is one as it is written, and that is none."""
    return integers(body)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Nor can it say that a point lies on a curve, what a URL is, or how long texts may be together: what is described as good is
    made so, and no service on the Internet is asked."""
    case.body = good(case.body)
    if case.operation.path == "/v1/push/subscriptions" and case.method == "GET":
        case.query = good(one_of_two(case.query or {}))


def one_of_two(query):
    """Nor can it say that one of two parameters is asked for, and not both."""
    if "user" in query and "endpoint" in query:
        return {name: value for name, value in query.items() if name != "endpoint"}
    return query if "user" in query or "endpoint" in query else {**query, "user": "42"}


def good(value, name=None):
    if isinstance(value, list):
        return [good(item) for item in value]
    if isinstance(value, dict):
        return {name: good(item, name) for name, item in value.items()}
    if not isinstance(value, str):
        return value
    if name == "endpoint" and value.startswith("https://") and len(value) <= 2048:
        return SUBSCRIPTION["endpoint"]
    if name == "p256dh" and re.fullmatch("B[A-P][A-Za-z0-9_-]{84}[AEIMQUYcgkosw048]", value):
        return SUBSCRIPTION["p256dh"]
    if name in ("title", "body", "url", "icon") and len(value) <= PUSH_TEXT_MAX:
        return value[:100]
    return value


def integers(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [integers(item) for item in value]
    if isinstance(value, dict):
        return {name: integers(item) for name, item in value.items()}
    return value
