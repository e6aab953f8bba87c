"""Why Meta rejects templates: its codes, what each means, and what to do about it.

Source: Meta's reference of `rejected_reason`, and its review guidelines.
"""

REASONS: tuple[tuple[str, str, str], ...] = (
    (
        "ABUSIVE_CONTENT",
        "The text threatens, insults or could harm people, or breaks WhatsApp's commerce or business policy.",
        "Rewrite it without what offends; sell only what WhatsApp's commerce policy allows.",
    ),
    (
        "CATEGORY_NOT_AVAILABLE",
        "Templates of this category cannot be made in this account or country.",
        "Choose another category, or ask Meta's support why the account lacks it.",
    ),
    (
        "INCORRECT_CATEGORY",
        "The content does not belong to the category that was named.",
        "Name the category that fits: whatever promotes anything is MARKETING. Then edit the template.",
    ),
    (
        "INVALID_FORMAT",
        "Variables, examples, links or markup are not as they must be, or the text cannot be understood.",
        "Check the variables and give an example for each that shows what will stand there; then submit again.",
    ),
    (
        "PROMOTIONAL",
        "The content advertises although the category does not allow it.",
        "Take the advertising out, or create it as MARKETING.",
    ),
    (
        "SCAM",
        "The content looks like fraud: it asks for secrets, money or identity papers.",
        "Never ask for card numbers, identity numbers or passwords; say clearly who writes and why.",
    ),
    (
        "TAG_CONTENT_MISMATCH",
        "The language, or the category of one-time codes, does not fit the text.",
        "Name the language that the text is written in, and use AUTHENTICATION for codes alone.",
    ),
    (
        "NONE",
        "Meta gave no reason, or the template is not rejected.",
        "Look at the template in WhatsApp Manager; an appeal is made there too.",
    ),
)


def library() -> list[dict[str, str]]:
    """Return the reasons as callers see them."""
    return [
        {"object": "rejection_reason", "code": code, "meaning": meaning, "what_to_do": advice}
        for code, meaning, advice in REASONS
    ]
