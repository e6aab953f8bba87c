"""What paths and queries below `/campaigns` carry."""

from enum import StrEnum

from starlette.requests import Request

from libs.runtime.ids import is_uuid
from services.campaigns.errors import NoSuchCampaign, NoSuchImport, wrong_field

CAMPAIGN = "/{campaign_id}"
JSON_LIMIT = 16 * 1024 * 1024  # bytes: 10,000 recipients with their values

_MISSING = {"campaign_id": NoSuchCampaign, "import_id": NoSuchImport}


def campaign_id_of(request: Request) -> str:
    """Return the campaign's id; raises NoSuchCampaign for what can be none."""
    return id_of(request, "campaign_id")


def id_of(request: Request, name: str) -> str:
    """Return an id of the path; raises that there is no such thing where it can be none."""
    found: str = request.path_params[name]
    if not is_uuid(found):
        raise _MISSING[name]("There is no such thing.", param=name)
    return found


def one_of(name: str, text: str, kind: type[StrEnum]) -> str:
    """Return one of the values; raises Invalid, naming them."""
    try:
        return kind(text).value
    except ValueError:
        raise wrong_field(name, f"Must be one of {', '.join(kind)}.") from None
