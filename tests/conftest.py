"""What every test may ask for, and which tests may run beside each other."""

from pathlib import Path

import pytest

pytest_plugins = ["tests.support.servers", "tests.support.shared_stack"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers that exist."""
    config.addinivalue_line(
        "markers", "long: takes minutes; `make faults` and `make load` run it, `make test` does not"
    )


# Tests that need no shared stack: they start servers of their own, or none.
ALONE = ("unit", "integration/kafka", "integration/local", "integration/sandbox")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Part the tests in two, so that `make test` runs them side by side: one stack, and what needs none."""
    root = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(root).as_posix()
        item.add_marker(pytest.mark.xdist_group("alone" if folder.startswith(ALONE) else "stack"))
