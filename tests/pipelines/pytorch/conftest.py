import sys

import pytest


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small are faster on one thread, above all where tests run beside each other."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 1
    if torch:
        torch.set_num_threads(1)
    yield
    if torch:
        torch.set_num_threads(threads)
