import datetime as dt
import decimal
import uuid
import zoneinfo

import pytest
from django.utils import timezone, translation

from pushnote.encoding import dumps

CHICAGO = zoneinfo.ZoneInfo("America/Chicago")
MOMENT = dt.datetime(2020, 1, 2, 3, 4, 5)


def test_naive_times_are_meant_in_djangos_current_zone():
    assert dumps(MOMENT) == '"2020-01-02T03:04:05-06:00"'
    with timezone.override("Asia/Tokyo"):
        assert dumps(MOMENT) == '"2020-01-02T03:04:05+09:00"'


def test_aware_times_keep_their_zone():
    assert dumps(MOMENT.replace(tzinfo=dt.UTC if hasattr(dt, "UTC") else dt.timezone.utc)) == '"2020-01-02T03:04:05+00:00"'
    assert dumps(MOMENT.replace(tzinfo=CHICAGO, month=7)) == '"2020-07-02T03:04:05-05:00"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (MOMENT.date(), '"2020-01-02"'),
        (MOMENT.time(), '"03:04:05"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (translation.gettext_lazy("Yes"), '"Yes"'),
        ({"a": [1, None, True], "ü": "\u2028"}, '{"a":[1,null,true],"ü":"\u2028"}'),
    ],
)
def test_what_applications_have(value, text):
    assert dumps(value) == text


@pytest.mark.parametrize("value", [object(), {1}, b"bytes", {"deep": [{"down": object()}]}])
def test_what_has_no_json_raises_and_says_what_it_is(value):
    with pytest.raises(TypeError, match=r"object|set|bytes"):
        dumps(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_has_not_raise(value):
    with pytest.raises(ValueError, match=r"Out of range|not JSON"):
        dumps(value)


def test_a_serializer_of_ones_own_is_asked_first():
    def serializer(value):
        if isinstance(value, dt.date):
            return value.year
        raise TypeError

    assert dumps([MOMENT, decimal.Decimal(2)], serializer) == '[2020,"2"]'
