"""Strict checks of the free-form message types, one function per type; each takes the object named like the type."""

import re
from typing import Any
from urllib.parse import urlsplit

from services.sandbox.checks.shapes import at, boolean, mapping, one_of, only, required, sequence, string
from services.sandbox.errors import bad_parameter, refusal

BODY, CAPTION, CONTACTS = 4096, 1024, 257  # Meta's most: characters, characters, cards
FILENAME = 240  # characters WhatsApp clients show; longer ones are cut
_KEYCAP = "\u20e3"  # what makes an emoji of a digit
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_NAME_PARTS = frozenset({"formatted_name", "first_name", "last_name", "middle_name", "suffix", "prefix"})
_CONTACT_LISTS = {
    "phones": frozenset({"phone", "type", "wa_id"}),
    "emails": frozenset({"email", "type"}),
    "addresses": frozenset({"street", "city", "state", "zip", "country", "country_code", "type"}),
    "urls": frozenset({"url", "type"}),
}
_MEDIA_KEYS = {
    "image": frozenset({"id", "link", "caption"}),
    "video": frozenset({"id", "link", "caption"}),
    "document": frozenset({"id", "link", "caption", "filename"}),
    "audio": frozenset({"id", "link", "voice"}),
    "sticker": frozenset({"id", "link"}),
}
MEDIA = frozenset(_MEDIA_KEYS)


def check_text(text: dict[str, Any]) -> None:
    """Check `{"body", "preview_url"?}`: 1 to 4,096 characters."""
    only(text, "text", frozenset({"body", "preview_url"}))
    string(required(text, "text", "body"), "text['body']", BODY)
    if text.get("preview_url") is not None:
        boolean(text["preview_url"], "text['preview_url']")


def check_media(kind: str, media: dict[str, Any], path: str) -> None:
    """Check a media object: exactly one of `id` and `link`, and what the kind allows beside it."""
    only(media, path, _MEDIA_KEYS[kind])
    media_id, link = media.get("id"), media.get("link")
    if (media_id is None) == (link is None):
        raise refusal(131009 if link else 131008, f"Exactly one of id and link must be given in {path}.")
    if media_id is not None and not string(media_id, at(path, "id"), 64).isdigit():
        raise bad_parameter(f"Param {at(path, 'id')} is not a valid media ID.")
    if link is not None:
        check_link(string(link, at(path, "link"), 2000), at(path, "link"))
    if media.get("caption") is not None:
        string(media["caption"], at(path, "caption"), CAPTION)
    if media.get("filename") is not None:
        string(media["filename"], at(path, "filename"), FILENAME)
    if media.get("voice") is not None:
        boolean(media["voice"], at(path, "voice"))


def check_link(link: str, name: str) -> None:
    """Check that a link is http(s) with a host; whether it can be downloaded shows later."""
    try:
        parts = urlsplit(link)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fine = False
    if not fine:
        raise bad_parameter(f"Param {name} is not a valid URI.")


def check_location(location: dict[str, Any], path: str = "location") -> None:
    """Check coordinates (numbers or strings) and the optional name and address."""
    only(location, path, frozenset({"latitude", "longitude", "name", "address"}))
    for key, most in (("latitude", 90), ("longitude", 180)):
        value = required(location, path, key)
        try:
            fine = not isinstance(value, bool) and abs(float(value)) <= most
        except (TypeError, ValueError):
            fine = False
        if not fine:
            raise refusal(131009, f"{at(path, key)} must be a number from -{most} to {most}.")
    for key in ("name", "address"):
        if location.get(key) is not None:
            string(location[key], at(path, key), 1000)


def check_reaction(reaction: dict[str, Any]) -> None:
    """Check `{"message_id", "emoji"}`; an empty emoji takes the reaction back."""
    only(reaction, "reaction", frozenset({"message_id", "emoji"}))
    string(required(reaction, "reaction", "message_id"), "reaction['message_id']", 256)
    emoji = string(required(reaction, "reaction", "emoji"), "reaction['emoji']", 32, 0)
    if _KEYCAP not in emoji and any(c.isascii() or c.isalpha() for c in emoji):
        raise refusal(131009, "reaction['emoji'] must be a single emoji.")


def check_contacts(contacts: Any) -> None:
    """Check 1 to 257 contact cards; each needs `formatted_name` and one more part of the name."""
    for index, card in enumerate(sequence(contacts, "contacts", CONTACTS, 1)):
        path = at("contacts", index)
        only(mapping(card, path), path, frozenset({"name", "org", "birthday", *_CONTACT_LISTS}))
        _check_name(mapping(required(card, path, "name"), at(path, "name")), at(path, "name"))
        for key, allowed in _CONTACT_LISTS.items():
            for place, item in enumerate(sequence(card.get(key) or [], at(path, key), 100)):
                _check_strings(item, at(at(path, key), place), allowed)
        if card.get("org") is not None:
            _check_strings(card["org"], at(path, "org"), frozenset({"company", "department", "title"}))
        if card.get("birthday") is not None and not _DATE.match(string(card["birthday"], at(path, "birthday"))):
            raise refusal(131009, f"{at(path, 'birthday')} must be of the form YYYY-MM-DD.")


def check_context(context: Any) -> None:
    """Check the reference of a contextual reply."""
    only(mapping(context, "context"), "context", frozenset({"message_id"}))
    target = string(required(context, "context", "message_id"), "context['message_id']", 256)
    if not target.startswith("wamid."):
        raise refusal(131009, "Param context['message_id'] is not a valid message ID.")


def check_recipient_type(value: Any) -> None:
    """Check `recipient_type`; groups are beyond the sandbox."""
    if one_of(value, "recipient_type", ("individual", "group")) == "group":
        raise refusal(131005, "This business phone number is not eligible for the Groups API.")


def _check_name(name: dict[str, Any], path: str) -> None:
    only(name, path, _NAME_PARTS)
    for key in name:
        if name[key] is not None:
            string(name[key], at(path, key), 500)
    required(name, path, "formatted_name")
    if not any(name.get(part) for part in _NAME_PARTS - {"formatted_name"}):
        raise refusal(131009, f"{path} needs one more part of the name next to formatted_name.")


def _check_strings(value: Any, path: str, allowed: frozenset[str]) -> None:
    only(mapping(value, path), path, allowed)
    for key, text in value.items():
        if text is not None:
            string(text, at(path, key), 2000, 0)
