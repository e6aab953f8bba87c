"""Phone numbers that are one number in two forms: where Meta's digits are not those that people type.

Meta keeps a user's `wa_id` in the form it was first known by. In three countries that is often another than the one in
use today. Meta does not publish the rules; these are what integrators agree on.
"""

_BRAZIL, _MEXICO, _ARGENTINA = "55", "52", "54"
_LANDLINES = "2345"  # first digits of Brazil's landlines: with a 9 before them they are somebody else's mobile number


def one_form(digits: str) -> str:
    """Return the form under which a number is known here, whichever of its forms is given.

    Brazil's ninth digit (a 9 after the area code), Mexico's 1 after 52 and Argentina's 9 after 54 are left out.
    """
    if digits[:1] != "5":
        return digits
    country, length = digits[:2], len(digits)
    if country == _BRAZIL and length == 13 and digits[4] == "9" and digits[5] not in _LANDLINES:
        return digits[:4] + digits[5:]
    if country == _MEXICO and length == 13 and digits[2] == "1":
        return digits[:2] + digits[3:]
    if country == _ARGENTINA and length == 13 and digits[2] == "9":
        return digits[:2] + digits[3:]
    return digits
