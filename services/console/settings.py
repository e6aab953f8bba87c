"""What the command line has to know of a deployment."""

from pydantic import Field, SecretStr

from libs.runtime.access import KafkaAccess, MongoAccess


class ConsoleSettings(KafkaAccess, MongoAccess):
    """What a deployment says (`deploy.local.deployment`); a local stack that runs says all of it by itself."""

    edge_url: str | None = Field(default=None, description="Base address of edge.")
    sandbox_url: str | None = Field(default=None, description="Base address of the sandbox.")
    api_key: SecretStr | None = Field(default=None, description="Key for the public API.")
    admin_key: SecretStr | None = Field(default=None, description="Key with the scope whatsapp:admin.")
    tenant: str | None = Field(default=None, description="Tenant that keys are of where none is said.")
    internal_secret: SecretStr | None = Field(default=None, description="Signs calls to edge's internal routes.")
    encryption_keys: SecretStr | None = Field(default=None, description="The key ring of what is encrypted at rest.")
    kafka_bootstrap: str | None = Field(default=None, description="host:port[,host:port] of the Kafka brokers.")
    mongo_url: SecretStr | None = Field(default=None, description="MongoDB connection string.")
    mongo_database: str = Field(default="wabus", description="Database name.")
