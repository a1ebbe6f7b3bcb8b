"""What a project may hear of."""

from django.dispatch import Signal

#: A client has begun to wait in a channel. Arguments: ``request``, ``channel_id``.
channel_subscribe = Signal()

#: A client waits no longer, for it has a message, or is gone. Arguments: ``request``, ``channel_id``.
channel_unsubscribe = Signal()

#: A message is about to be sent. Arguments: ``channel_id``, ``data``, ``already_serialized``, ``request``.
pre_send_update = Signal()

#: A message was sent, or not. Arguments: as before, and ``response``, which is an exception if it was not.
post_send_update = Signal()
