"""Where the command line finds what it talks to when there is no local stack."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.runtime.access import PREFIX, KafkaAccess, MongoAccess
from libs.runtime.file_settings import SecretFiles


class ConsoleSettings(KafkaAccess, MongoAccess, SecretFiles):
    """What the environment says; a running local stack answers all of it by itself."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    edge_url: str | None = Field(default=None, description="Base address of edge.")
    sandbox_url: str | None = Field(default=None, description="Base address of the sandbox.")
    api_key: SecretStr | None = Field(default=None, description="Key for the public API.")
    admin_key: SecretStr | None = Field(default=None, description="Key with the scope whatsapp:admin.")
    internal_secret: SecretStr | None = Field(default=None, description="Signs calls to edge's internal routes.")
    encryption_keys: SecretStr | None = Field(default=None, description="The key ring of what is encrypted at rest.")
    kafka_bootstrap: str | None = Field(default=None, description="host:port[,host:port] of the Kafka brokers.")
    mongo_url: SecretStr | None = Field(default=None, description="MongoDB connection string.")
    mongo_database: str = Field(default="wabus", description="Database name.")
