"""Meta's volume tiers: up to which count of a month's charged messages a tier goes, where a public source says so.

Tiers are of utility and authentication, by market and calendar month, over all accounts of a portfolio, and marginal:
each message is priced by the tier that its count falls in. Meta publishes the bounds in its rate cards only; these are
the few that public copies give, each from a single one, and so unverified.
"""

# Market and category -> the last message of each tier that is known, from the lowest on.
BOUNDS: dict[tuple[str, str], tuple[int, ...]] = {
    ("IN", "utility"): (25_000_000, 50_000_000),
    ("IN", "authentication"): (750_000,),
    ("Rest of Central & Eastern Europe", "utility"): (100_000,),
    ("Rest of Africa", "utility"): (100_000,),
}


def tier_of(market: str, category: str, count: int) -> str | None:
    """Return the tier that the `count`th message of a month falls in, as Meta writes it (`25000001:50000000`).

    None where the bounds are not known, or the count is beyond those that are.
    """
    lower = 0
    for upper in BOUNDS.get((market, category), ()):
        if count <= upper:
            return f"{lower}:{upper}"
        lower = upper + 1
    return None
