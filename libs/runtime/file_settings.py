"""Settings given as files, one for each secret, in the folder that `WABUS_SECRETS_DIR` names.

Containers get their secrets so: a variable of the environment is shown by whatever shows the container.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource

from libs.runtime.access import PREFIX

FOLDER = "WABUS_SECRETS_DIR"


class SecretFiles(BaseSettings):
    """Settings that files may give too: each is named like its variable, in any case; the environment outranks it."""

    secrets_dir: Path | None = Field(default=None, description="Folder of files that are named like variables.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the folder that the environment names, last."""
        folder = os.environ.get(FOLDER)
        files = SecretsSettingsSource(settings_cls, folder) if folder else file_secret_settings
        return init_settings, env_settings, dotenv_settings, files


def secret_file_problems(known: Collection[str]) -> list[str]:
    """Return a sentence for each file of the folder that cannot be a setting; `known` are the variables there are."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return []
    if not Path(folder).is_dir():
        return [f"{FOLDER}: there is no folder {folder}"]
    return sorted(_problems(Path(folder), known))


def _problems(folder: Path, known: Collection[str]) -> Iterator[str]:
    # Other files of the folder, a server's certificate for example, are somebody else's.
    files = [file for file in folder.iterdir() if file.name.upper().startswith(PREFIX)]
    names = Counter(file.name.upper() for file in files)
    yield from (
        f"{name}: there are {count} files of this name in {folder}" for name, count in names.items() if count > 1
    )
    for file in files:
        name = file.name.upper()
        if name not in known:
            yield f"{name}, a file in {folder}, is not a setting of Wabus"
            continue
        try:
            if not file.read_text().strip():
                yield f"{name}: its file in {folder} is empty"
        except (OSError, UnicodeDecodeError) as error:
            yield f"{name}: its file in {folder} cannot be read ({type(error).__name__})"
