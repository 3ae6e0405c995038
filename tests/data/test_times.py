"""Times with and without a zone, and times of day."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from egbad.data.times import (
    TIME,
    TIME_OF_DAY,
    change_zone,
    check_zone,
    describe_time,
    encode_times,
    parse_time,
    time_zone,
    zoned_time,
)
from egbad.errors import InvalidInputError

ZONES = ("UTC", "Asia/Tokyo", "Europe/Berlin", "America/St_Johns", "+05:30")
NANOSECONDS = [-1, 0, 1_717_200_000_123_456_789, 1_730_000_000_000_001_000, 2**62]


def instants(zone, unit="ns"):
    return pa.chunked_array(
        [pa.array(NANOSECONDS).cast(pa.timestamp("ns", tz=zone)).cast(pa.timestamp(unit, tz=zone), safe=False)]
    )


def test_the_zone_of_a_column_type():
    assert all(time_zone(zoned_time(zone)) == zone for zone in ZONES)
    assert time_zone(TIME) is time_zone("number") is time_zone(TIME_OF_DAY) is None


@pytest.mark.parametrize("zone", ZONES)
def test_instants_are_read_by_the_wall_clock_of_one_zone(zone):
    expected = encode_times(instants("UTC"), zone)
    assert all(np.array_equal(encode_times(instants(other), zone), expected) for other in ZONES)
    if "/" in zone:
        wall = datetime.fromtimestamp(1_717_200_000, ZoneInfo(zone)).replace(tzinfo=ZoneInfo("UTC")).timestamp()
        assert int(expected[2]) == int(wall)


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_text_is_the_number_of_the_column(zone):
    column_type = TIME if zone is None else zoned_time(zone)
    for unit in ("s", "ms", "us", "ns"):
        column = instants(zone, unit)
        found = [parse_time(text, column_type) for text in column.cast(pa.string()).to_pylist()]
        assert found == encode_times(column, zone).tolist()


def test_text_may_have_any_offset_but_not_none_where_there_is_a_zone():
    assert parse_time("2024-06-01T00:00:00Z", "time[Asia/Tokyo]") == parse_time(
        "2024-06-01T09:00:00+09:00", "time[Asia/Tokyo]"
    )
    with pytest.raises(ValueError, match="expected an offset"):
        parse_time("2024-06-01T00:00:00", "time[UTC]")
    with pytest.raises(ValueError, match="expected no offset"):
        parse_time("2024-06-01T00:00:00Z", TIME)
    with pytest.raises(ValueError, match="expected no offset"):
        parse_time("12:30Z", TIME_OF_DAY)


def test_the_zone_of_numbers_can_be_changed():
    tokyo, berlin = encode_times(instants("UTC"), "Asia/Tokyo"), encode_times(instants("UTC"), "Europe/Berlin")
    assert change_zone(tokyo, "Asia/Tokyo", "Europe/Berlin") == pytest.approx(berlin, abs=1e-6)
    assert change_zone(tokyo, "Asia/Tokyo", "Asia/Tokyo") is tokyo
    assert np.isnan(change_zone(np.array([np.nan]), "UTC", "Asia/Tokyo")).all()
    assert change_zone(np.array([1.5, -0.25]), "UTC", "Asia/Tokyo").tolist() == [32_401.5, 32_399.75]


def test_an_unknown_zone_is_refused():
    check_zone("Europe/Berlin")
    with pytest.raises(InvalidInputError, match="no time zone 'Mars/Olympus'"):
        check_zone("Mars/Olympus")


def test_times_are_described_with_their_zone():
    assert describe_time("time[UTC]", 86_400.0) == "1970-01-02 00:00:00 UTC"
    assert describe_time(TIME, 1e15) == "1,000,000,000,000,000 seconds after 1970"
