"""Cells of CSV files that people open in a spreadsheet."""

# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"), in narrow and wide form.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe goes before one."""
    return f"'{text}" if text.startswith(_FORMULA) else text
