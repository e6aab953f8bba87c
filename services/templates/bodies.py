"""The bodies of calls about templates."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MOST_COMPONENTS = 10  # Meta has seven kinds, each at most once


def _capitals(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value  # Meta takes both


GraphId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,512}$")]
Category = Annotated[Literal["MARKETING", "UTILITY", "AUTHENTICATION"], BeforeValidator(_capitals)]
Components = Annotated[
    list[dict[str, Any]],
    Field(min_length=1, max_length=MOST_COMPONENTS, description="Header, body, footer, buttons, as Meta takes them."),
]
Ttl = Annotated[
    int | None, Field(description="Seconds that Meta keeps trying: 30 to 2592000 by category; -1 for 30 days.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SyncBody(BaseModel):
    """`POST /templates/sync`: one account, or all of the tenant's."""

    model_config = ConfigDict(extra="forbid")

    waba_id: Annotated[GraphId | None, Field(description="Only this account.")] = None


class CreateBody(_Body):
    """`POST /templates`."""

    name: Annotated[Name, Field(description="Lower-case letters, digits and underscores, at most 512.")]
    category: Annotated[Category, Field(description="MARKETING, UTILITY or AUTHENTICATION.")]
    language: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(_[A-Za-z]{2,4})?$"), Field(description="For example `en_US`.")
    ]
    components: Components
    waba_id: Annotated[GraphId | None, Field(description="The account; optional with exactly one.")] = None
    parameter_format: Annotated[
        Literal["POSITIONAL", "NAMED"], BeforeValidator(_capitals), Field(description="How variables are written.")
    ] = "POSITIONAL"
    message_send_ttl_seconds: Ttl = None
    allow_category_change: Annotated[
        bool | None, Field(description="Passed on; Meta chooses the category since 2025 whatever it says.")
    ] = None


class EditBody(_Body):
    """`PATCH /templates/{template_id}`: what is left out stays as it is."""

    components: Components | None = None
    category: Annotated[Category | None, Field(description="Not of an approved template.")] = None
    message_send_ttl_seconds: Ttl = None
