"""django-pushserver's names, on pushnote: see :mod:`pushserver.utils.updates`."""
