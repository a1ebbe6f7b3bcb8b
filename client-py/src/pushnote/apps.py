"""The Django app."""

from django.apps import AppConfig


class PushnoteConfig(AppConfig):
    """``INSTALLED_APPS = ["pushnote"]``: a template tag, ``runpushnote``, and checks of the settings."""

    name = "pushnote"
    verbose_name = "pushnote"

    def ready(self) -> None:
        """Have ``manage.py check`` look at the settings."""
        from pushnote import checks  # noqa: F401 it registers itself
