"""What every test may ask for."""

import pytest

pytest_plugins = ["tests.support.servers", "tests.support.shared_stack", "tests.support.worlds"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers that exist."""
    config.addinivalue_line(
        "markers", "long: takes minutes; `make faults` and `make load` run it, `make test` does not"
    )
