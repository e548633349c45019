import pytest

from serving.app import connect
from serving.client import AskError


@pytest.mark.parametrize("seconds", ["soon", "-3", "0", ""])
def test_a_time_out_that_is_no_number_of_seconds_is_named(monkeypatch, seconds):
    monkeypatch.setenv("FILMGATE_TIMEOUT", seconds)
    with pytest.raises(AskError, match=r"^FILMGATE_TIMEOUT is '.*'\. Expected whole seconds, such as 30\.$"):
        connect()


@pytest.mark.slow
def test_the_page_says_what_is_wrong_with_its_environment(browser, start_page):
    address = start_page("http://127.0.0.1:9", FILMGATE_TIMEOUT="soon")
    tab = browser.new_page()
    tab.goto(address)
    tab.get_by_role("alert").filter(has_text="FILMGATE_TIMEOUT is 'soon'").wait_for()
    tab.close()
