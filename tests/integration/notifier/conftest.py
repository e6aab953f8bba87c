"""A receiver for the module, and a customer whose endpoints are gone after each test."""

from collections.abc import Iterator

import pytest

from tests.support.receiver import Customer, Receiver, new_customer, receiving
from tests.support.running import Stack


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    """One receiver; each test uses paths of its own."""
    with receiving() as running:
        yield running


@pytest.fixture(scope="package")
def customer_of_all(stack: Stack, receiver: Receiver) -> Customer:
    """The customer that the tests share."""
    return new_customer(stack, receiver, "Listeners")


@pytest.fixture
def customer(customer_of_all: Customer) -> Iterator[Customer]:
    """The customer, without endpoints before and after."""
    yield customer_of_all
    for row in customer_of_all.does("GET", "?limit=100")["data"]:
        customer_of_all.does("DELETE", f"/{row['id']}", status=204)
