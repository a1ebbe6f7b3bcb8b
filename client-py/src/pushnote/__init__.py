"""Push messages to browsers: ``notify_all(data)``, ``notify(data, users=[user])``.

Where messages go is said by the setting ``PUSHNOTE_MQ_SOCKET``, of Django or of the environment: ``tcp://…`` publishes by ZeroMQ,
``http://…`` and ``https://…`` to a server's API. See :mod:`pushnote.pub` for what there is.
"""

from pushnote.errors import (
    NotConfigured,
    NotSent,
    PushnoteError,
    QueueFull,
    Refused,
    Unavailable,
)
from pushnote.memory import outbox
from pushnote.message import Push, Receipt
from pushnote.pub import (
    anotify,
    anotify_all,
    anotify_channel,
    apublish,
    flush,
    notify,
    notify_all,
    notify_channel,
    notify_on_commit,
    publish,
)
from pushnote.utils import tokenize, tokenize_channel

__version__ = "0.1.0"

__all__ = (
    "NotConfigured",
    "NotSent",
    "Push",
    "PushnoteError",
    "QueueFull",
    "Receipt",
    "Refused",
    "Unavailable",
    "anotify",
    "anotify_all",
    "anotify_channel",
    "apublish",
    "flush",
    "notify",
    "notify_all",
    "notify_channel",
    "notify_on_commit",
    "outbox",
    "publish",
    "tokenize",
    "tokenize_channel",
)
