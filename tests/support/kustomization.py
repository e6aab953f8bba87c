"""A reader of kustomizations: as much of kustomize as deploy/k8s uses, and a refusal of anything else.

No package brings the real one. On all of deploy/k8s its result was compared with `kubectl kustomize` (5.5.0): it is the
same but for the hashes that end the names of generated maps, which are left out here.
"""

import copy
import re
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
KNOWN = {
    "apiVersion", "kind", "namespace", "labels", "resources", "components", "configMapGenerator", "secretGenerator",
    "patches", "images",
}  # fmt: skip
WITHOUT_NAMESPACE = {"Namespace"}
# By what the entries of a list are the same ones in a strategic merge; other lists are replaced as a whole.
MERGE_KEYS = {
    "containers": "name", "env": "name", "ports": "containerPort", "volumeMounts": "mountPath", "volumes": "name",
    "topologySpreadConstraints": "topologyKey",
}  # fmt: skip


def rendered(folder: Path) -> list[Document]:
    """Return the documents that `kubectl apply -k FOLDER` would send; AssertionError for what is not understood."""
    return _applied(folder, [])


def _applied(folder: Path, before: list[Document]) -> list[Document]:
    """Return the documents of a kustomization; a component works on those that were there before it, too."""
    wish = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert wish.keys() <= KNOWN, f"{folder}: {wish.keys() - KNOWN} are not understood here"
    documents = [*before, *(document for path in wish.get("resources", []) for document in _resource(folder / path))]
    for generator, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
        for item in wish.get(generator, []):
            _generate(documents, folder, kind, item)
    for path in wish.get("components", []):
        documents = _applied(folder / path, documents)
    for patch in wish.get("patches", []):
        _patch(documents, folder, patch)
    for document in documents:
        _mark(document, wish)
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(set(names)) == len(names), f"{folder}: a resource is there twice"
    return documents


def _resource(path: Path) -> list[Document]:
    if path.is_dir():
        return _applied(path, [])
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def _generate(documents: list[Document], folder: Path, kind: str, item: Document) -> None:
    assert item.keys() <= {"name", "behavior", "envs", "literals", "files", "options"}, item
    lines = [line for path in item.get("envs", []) for line in (folder / path).read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    data = dict(line.split("=", 1) for line in [*lines, *item.get("literals", [])])
    data |= {path: (folder / path).read_text() for path in item.get("files", [])}
    field = "stringData" if kind == "Secret" else "data"
    if item.get("behavior") == "merge":
        _only(documents, kind, item["name"])[field].update(data)
    else:
        documents.append({"apiVersion": "v1", "kind": kind, "metadata": {"name": item["name"]}, field: data})


def _only(documents: list[Document], kind: str, name: str) -> Document:
    found = [it for it in documents if it["kind"] == kind and it["metadata"]["name"] == name]
    assert len(found) == 1, f"there are {len(found)} of {kind} {name}"
    return found[0]


def _patch(documents: list[Document], folder: Path, patch: Document) -> None:
    change = yaml.safe_load((folder / patch["path"]).read_text() if "path" in patch else patch["patch"])
    target = patch["target"]
    chosen = [
        it
        for it in documents
        if it["kind"] == target["kind"] and re.fullmatch(target.get("name", ".*"), it["metadata"]["name"])
    ]
    assert chosen, f"{folder}: no resource is {target}"
    for document in chosen:
        if isinstance(change, list):
            _remove(document, change)
        else:
            content = {key: value for key, value in change.items() if key not in ("apiVersion", "kind", "metadata")}
            document.update(_merged(document, content))


def _remove(document: Document, operations: list[Document]) -> None:
    for operation in operations:
        assert operation["op"] == "remove", operation
        *parents, last = operation["path"].removeprefix("/").split("/")
        holder = document
        for parent in parents:
            holder = holder[parent]
        del holder[last]


def _merged(old: Any, new: Any, name: str = "") -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: _merged(old.get(key), value, key) for key, value in new.items()}
    key = MERGE_KEYS.get(name)
    if isinstance(old, list) and key and all(key in entry for entry in [*old, *new]):
        added = {entry[key]: entry for entry in new}
        kept = [_merged(entry, added.pop(entry[key], {})) for entry in old]
        return [*added.values(), *kept]
    return copy.deepcopy(new)


def _mark(document: Document, wish: Document) -> None:
    about = document["metadata"]
    if "namespace" in wish and document["kind"] not in WITHOUT_NAMESPACE:
        about["namespace"] = wish["namespace"]
    template = document.get("spec", {}).get("template")
    for label in wish.get("labels", []):
        about["labels"] = about.get("labels", {}) | label["pairs"]
        if template and label.get("includeTemplates"):
            template["metadata"]["labels"] |= label["pairs"]
    containers = (template or {}).get("spec", {}).get("containers", [])
    for image in wish.get("images", []):
        for container in containers:
            if container["image"].partition(":")[0] == image["name"]:
                container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
