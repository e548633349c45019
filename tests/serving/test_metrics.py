import pytest

from serving.metrics import Metrics


def answer(**changes):
    usual = {"decision": "positive", "probability": 0.83, "familiarity": 0.3, "reason": None}
    return usual | changes


def lines(metrics):
    return metrics.text().decode().splitlines()


def test_decisions_probabilities_and_familiarity_are_counted():
    metrics = Metrics()
    metrics.prediction(answer())
    metrics.prediction(answer(decision="refused", familiarity=0.0, reason="The picture is darker."))
    told = lines(metrics)
    assert 'filmgate_decisions_total{decision="positive"} 1.0' in told
    assert 'filmgate_refused_films_total{reason="The picture is darker."} 1.0' in told
    assert 'filmgate_probability_bucket{le="0.8"} 0.0' in told
    assert 'filmgate_probability_bucket{le="0.85"} 2.0' in told
    assert 'filmgate_familiarity_bucket{le="0.0"} 1.0' in told


def test_the_model_that_answers_is_named(release_model, tmp_path):
    metrics = Metrics()
    card = release_model(tmp_path)
    metrics.serve(card)
    expected = f'filmgate_model_info{{recipe="demo",sha256="{card.sha256}",version="{card.version}"}} 1.0'
    assert expected in lines(metrics)


def test_two_services_of_one_process_count_apart():
    first, second = Metrics(), Metrics()
    first.batch(3)
    assert "filmgate_batch_films_count 1.0" in lines(first)
    assert "filmgate_batch_films_count 0.0" in lines(second)


@pytest.mark.parametrize("name", ["process_resident_memory_bytes", "process_open_fds", "python_info"])
def test_the_process_is_told_of_too(name):
    assert any(line.startswith(name) for line in lines(Metrics()))
