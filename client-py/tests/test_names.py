"""Names and arguments of the packages that this one stands for, as PyPI has them, but for what docs/migration.md says."""

import ast
import inspect

import flask_sse
from conftest import ROOT

from pushnote import sse, webpush

#: It is read, and not imported: it wants libraries of its time.
SOLIDWEBPUSH = ROOT / "tests/.cache/solidwebpush-1.2.3/solidwebpush/__init__.py"
MIGRATION = (ROOT / "docs/migration.md").read_text()

#: What raises instead, by docs/migration.md's word for it.
WITHHELD = {
    "getSubscription": "`getSubscription`",
    "getPrivateKey": "the private key",
    "getB64PrivateKey": "the private key",
    "getUrlB64PrivateKey": "the private key",
}
#: Defaults that mean the same here.
DEFAULTS = {("__init__", "db_name"): None, ("notifyAll", "exceptions"): ()}


def of_solidwebpush():
    """Each public call of its Pusher: the arguments, and their defaults."""
    tree = ast.parse(SOLIDWEBPUSH.read_text())
    (pusher,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Pusher"]
    for call in pusher.body:
        if isinstance(call, ast.FunctionDef) and (call.name in ("__init__", "__call__") or not call.name.startswith("_")):
            names = [argument.arg for argument in call.args.args][1:]
            defaults = [ast.literal_eval(default) for default in call.args.defaults]
            yield call.name, names, dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))


def test_solidwebpushs_calls_are_here_and_take_the_same():
    calls = list(of_solidwebpush())
    assert len(calls) == 19
    for name, names, defaults in calls:
        here = inspect.signature(getattr(webpush.Pusher, name))
        taken = list(here.parameters.values())[1:]
        expected = [(one, DEFAULTS.get((name, one), defaults.get(one, inspect.Parameter.empty))) for one in names]
        assert [(one.name, one.default) for one in taken[: len(names)]] == expected, name
        # What is more need not be given.
        assert all(one.default is not inspect.Parameter.empty for one in taken[len(names) :]), name
        assert (here.return_annotation == "NoReturn") == (name in WITHHELD), name
    for word in WITHHELD.values():
        (row,) = [line for line in MIGRATION.splitlines() if word in line.partition(" | ")[0]]
        assert "not there" in row


def test_solidwebpushs_errors_are_here():
    tree = ast.parse(SOLIDWEBPUSH.read_text())
    errors = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Error")]
    assert sorted(errors) == ["SesionIDError", "SubscriptionError"]
    assert all(issubclass(getattr(webpush, name), Exception) for name in errors)


def test_flask_sses_publish_takes_the_same():
    there = list(inspect.signature(flask_sse.ServerSentEventsBlueprint.publish).parameters.values())[1:]
    here = inspect.signature(sse.publish).parameters.values()
    assert [(one.name, one.default) for one in here] == [(one.name, one.default) for one in there]
