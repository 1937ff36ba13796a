"""Working hours: the table is read strictly, and the sums are those of somebody who counts minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from conftest import RULES
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.ahead import early
from policies.catalogue import parse_catalogue
from policies.errors import PolicyError
from policies.files import read_files
from policies.hours import Hours
from policies.lint import lint_files

BERLIN = ZoneInfo("Europe/Berlin")
FILES = read_files(RULES)
BARE = FILES["catalogue.toml"].partition("\n[hours]")[0]
STEP = timedelta(minutes=5)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def hours_of(table):
    return parse_catalogue(f"{BARE}\n[hours]\n{table}\n").hours


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def test_without_a_table_it_is_weekdays_from_nine_to_six():
    assert parse_catalogue(BARE).hours == hours_of("") == Hours()


def test_a_table_says_zone_days_hours_and_holidays():
    table = 'zone = "Asia/Tokyo"\ndays = ["Sun", "Mon"]\nfrom = "08:30"\nto = "12:00"\nholidays = [2026-12-25]'
    assert hours_of(table) == Hours(
        zone=ZoneInfo("Asia/Tokyo"),
        days=frozenset({0, 6}),
        begin=time(8, 30),
        end=time(12),
        holidays=frozenset({date(2026, 12, 25)}),
    )


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('zone = "Berlin"', "no time zone Berlin"),
        ('zone = "/etc/passwd"', "no time zone"),
        ('zone = ""', "no time zone"),
        ("zone = 1", "zone must be str"),
        ('days = ["Mo"]', "no day Mo; days are one or more of Mon"),
        ("days = []", "one or more of Mon"),
        ('days = ["Mon", "Mon"]', "each once"),
        ('from = "9:00"', 'from must be a time of day such as "09:00"'),
        ('to = "24:00"', "to must be a time of day"),
        ("from = 09:00:00", "from must be str"),
        ('from = "18:00"', "an hour or more after from"),
        ('from = "22:00"\nto = "06:00"', "on the same day"),
        ('holidays = ["2026-12-25"]', "dates without quotes"),
        ("holidays = [2026-12-25T00:00:00]", "dates without quotes"),
        ("holidays = 2026-12-25", "holidays must be list"),
        ("lunch = 1", "unknown key lunch; allowed: zone, days, from, to, holidays"),
    ],
)
def test_a_table_that_says_something_else_is_refused_with_what_to_write(table, fault):
    with pytest.raises(PolicyError, match=r"catalogue\.toml, hours: ") as refused:
        hours_of(table)
    assert fault in str(refused.value)


def test_hours_that_are_no_table_are_refused():
    with pytest.raises(PolicyError, match="hours: must be a table"):
        parse_catalogue(f"hours = 9\n{BARE}")


def test_a_holiday_on_a_day_that_is_free_anyway_is_a_finding():
    text = f"{BARE}\n[hours]\nholidays = [2026-12-25, 2026-12-26]\n"
    (found,) = [str(each) for each in lint_files({**FILES, "catalogue.toml": text}) if each.row == "hours"]
    line = BARE.count("\n") + 2
    assert found == (
        f"catalogue.toml:{line} hours: nobody works on Sat 2026-12-26 anyway. "
        "Take it out of holidays, or name the day that was meant."
    )


@pytest.mark.parametrize(
    ("since", "end", "warned"),
    [
        pytest.param("2026-11-23 12:00", "2026-11-28 12:00", "2026-11-27 16:00", id="it ends on Saturday"),
        pytest.param("2026-11-23 12:00", "2026-11-30 09:30", "2026-11-27 16:30", id="half an hour on Monday helps"),
        pytest.param("2026-11-26 12:00", "2026-11-26 18:00", "2026-11-26 16:24", id="a short one, shortly before"),
        pytest.param("2026-11-26 17:30", "2026-11-26 20:30", "2026-11-26 20:12", id="nobody could answer any more"),
        pytest.param("2026-11-27 17:00", "2026-11-27 18:00", "2026-11-27 17:30", id="never in its first half"),
        pytest.param("2026-11-27 09:30", "2026-11-29 09:30", "2026-11-27 16:00", id="taken for a weekend on Friday"),
        pytest.param("2026-11-27 14:00", "2026-11-29 14:00", "2026-11-29 09:12", id="taken too late for that"),
        pytest.param("2026-11-01 12:00", "2026-11-28 12:00", "2026-11-27 12:00", id="a day ahead is sooner"),
        pytest.param("2026-03-20 12:00", "2026-03-29 12:00", "2026-03-27 16:00", id="over a change of the clocks"),
    ],
)
def test_the_warning_comes_while_approvers_work(since, end, warned):
    assert early(Hours(zone=BERLIN), at(since), at(end)) == at(warned)


# -- counted minute by minute -----------------------------------------------------------------------------------------


def works(hours, moment):
    local = moment.astimezone(hours.zone)
    free = local.date() in hours.holidays or local.weekday() not in hours.days
    return not free and hours.begin <= local.time() < hours.end


def counted(hours, start, end):
    """Working time from `start` to `end`, five minutes at a time."""
    steps = int((end - start) / STEP)
    return sum((STEP for n in range(steps) if works(hours, start + n * STEP)), timedelta())


@st.composite
def calendars(draw):
    begin = draw(st.integers(0, 22 * 12))
    end = draw(st.integers(begin + 12, 23 * 12 + 11))
    first = date(2026, draw(st.sampled_from([3, 4, 9, 10, 11])), 1)
    return Hours(
        zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        days=frozenset(draw(st.sets(st.integers(0, 6), min_size=1))),
        begin=time(begin // 12, begin % 12 * 5),
        end=time(end // 12, end % 12 * 5),
        holidays=frozenset(first + timedelta(days=n) for n in draw(st.sets(st.integers(0, 60), max_size=20))),
    ), datetime(first.year, first.month, 1, tzinfo=UTC)


@settings(max_examples=150, deadline=None)
@given(calendars(), st.integers(0, 40 * 288), st.integers(3, 8 * 288))
def test_on_any_calendar_it_comes_before_the_last_working_hour_but_not_at_once(calendar, start, length):
    hours, first = calendar
    since = first + start * STEP
    end = since + length * STEP
    told = since + min((end - since) / 2, timedelta(hours=4))
    warned = early(hours, since, end)
    assert hours.left(since, end) == counted(hours, since, end)
    assert told <= warned < end
    reached = since + -(-(told - since) // STEP) * STEP
    if counted(hours, reached, end) >= timedelta(hours=1):
        assert hours.left(warned, end) >= timedelta(hours=1)
