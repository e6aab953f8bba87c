"""Graph's calls on message templates beside the listing: create, edit, delete, and look one up."""

from libs.graph.client import GraphClient, Json
from libs.graph.errors import GraphUnavailable

FIELDS = (
    "id,name,status,category,language,components,parameter_format,quality_score,rejected_reason,"
    "previous_category,message_send_ttl_seconds,sub_category"
)


class GraphTemplates:
    """Calls about single templates. All raise GraphRefused or GraphUnavailable."""

    def __init__(self, graph: GraphClient) -> None:
        self._graph = graph

    async def create(self, waba_id: str, token: str, body: Json) -> Json:
        """Create a template: `{id, status, category}`; without an id the answer is none."""
        answer = await self._graph.call("POST", f"/{waba_id}/message_templates", token, body=body)
        if not isinstance(answer.get("id"), str) or not answer["id"].isascii() or not answer["id"].isdigit():
            raise GraphUnavailable("Graph's answer has no id")
        return answer

    async def edit(self, meta_id: str, token: str, body: Json) -> None:
        """Change a template; it is reviewed again."""
        await self._graph.call("POST", f"/{meta_id}", token, body=body)

    async def delete(self, waba_id: str, token: str, name: str, meta_id: str | None = None) -> None:
        """Delete a template in all its languages, or the one of this id."""
        params = {"name": name} | ({"hsm_id": meta_id} if meta_id else {})
        await self._graph.call("DELETE", f"/{waba_id}/message_templates", token, params=params)

    async def read(self, meta_id: str, token: str) -> Json:
        """Read one template as it is now."""
        return await self._graph.call("GET", f"/{meta_id}", token, params={"fields": FIELDS})

    async def named(self, waba_id: str, token: str, name: str) -> list[Json]:
        """Read the languages of a name; Meta's filter finds parts of names too."""
        params = {"fields": FIELDS, "name": name}
        found = self._graph.pages(f"/{waba_id}/message_templates", token, params)
        return [each async for each in found if each.get("name") == name and "id" in each and "language" in each]
