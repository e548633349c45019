import pytest

from pipelines.errors import ChainError
from pipelines.parallel import ADDRESS, each, shards


def double(numbers):
    return [2 * number for number in numbers]


def test_items_come_in_shards_in_order():
    assert list(shards(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(shards([], 3)) == []


def test_results_come_in_the_order_of_the_parts():
    assert list(each(double, shards(range(100), 7))) == [double(part) for part in shards(range(100), 7)]


def test_two_worker_processes_give_the_same(monkeypatch, cluster_address):
    monkeypatch.setenv(ADDRESS, cluster_address)
    assert list(each(double, shards(range(100), 7))) == [double(part) for part in shards(range(100), 7)]


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setattr("pipelines.parallel.PATIENCE", "0.2s")
    monkeypatch.setenv(ADDRESS, "tcp://127.0.0.1:9")
    with pytest.raises(ChainError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 .* unset FILMGATE_DASK"):
        list(each(double, [[1]]))
