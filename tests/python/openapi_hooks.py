"""What schemathesis does not know of pushnote's API. It loads this as SCHEMATHESIS_HOOKS says."""

import schemathesis


@schemathesis.hook
def map_body(context, body):
    """JSON Schema takes 42.0 for an integer; a user's id is one as it is written, and that is none."""
    return integers(body)


def integers(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [integers(item) for item in value]
    if isinstance(value, dict):
        return {name: integers(item) for name, item in value.items()}
    return value
