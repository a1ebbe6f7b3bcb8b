"""The Django app."""

from django.apps import AppConfig


class PushserverConfig(AppConfig):
    """``INSTALLED_APPS = ["pushserver"]``, for a project that was written for django-pushserver."""

    name = "pushserver"
    verbose_name = "pushserver"
