"""What is counted of answers and of their times."""

from __future__ import annotations

import json

import pytest

from nat64.dns64.statistics import BOUNDS, Histogram, Statistics


@pytest.mark.parametrize(
    ("micro", "bucket"), [(0, 0), (1, 0), (16, 0), (17, 1), (32, 1), (33, 2), (1 << 23, 19)]
)
def test_a_bucket_holds_what_is_at_most_its_bound(micro: int, bucket: int) -> None:
    histogram = Histogram()
    histogram.note((micro + 0.5) / 1e6)
    assert histogram.counts[bucket] == 1
    assert micro <= BOUNDS[bucket]


def test_what_took_longer_than_every_bound_is_counted() -> None:
    histogram = Histogram()
    histogram.note(60)
    assert histogram.counts[-1] == 1


def test_a_quantile_is_the_bound_under_which_that_share_lies() -> None:
    histogram = Histogram()
    histogram.note(20e-6, 98)
    histogram.note(100e-6)
    histogram.note(3e-3)
    assert (histogram.quantile(0.5), histogram.quantile(0.99), histogram.quantile(1)) == (32, 128, 4096)


def test_nothing_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None


def test_what_workers_counted_adds_up_and_survives_a_message() -> None:
    one, other = Statistics(), Statistics()
    one.answered("cached", 20e-6, 3)
    other.answered("cached", 40e-6)
    other.answered("failed", 4.0)
    one.add(Statistics.from_json(json.loads(json.dumps(other.as_json()))))
    assert one.counters == {"cached": 4, "failed": 1}
    assert one.latencies["cached"].counts[1:3] == [3, 1]
    assert one.latencies["cached"].seconds == pytest.approx(100e-6)
