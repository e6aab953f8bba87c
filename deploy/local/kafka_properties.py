"""What server.properties of an embedded broker says: one node as a rule, or one of several."""

ALONE = """\
process.roles=broker,controller
node.id={node}
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=BROKER://127.0.0.1:{advertised}
listener.security.protocol.map=BROKER:{outside},CONTROLLER:{inside}
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.voters={voters}
log.dirs={data}

# As many copies as there are nodes; with three, two have to have a record before it counts as written.
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=8
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}

# Topics come from contracts/topics.yaml; a misspelt one must fail, not appear.
auto.create.topics.enable=false
# The largest record is a raw webhook of up to 4 MB; topics.yaml gives each topic its own, lower limit.
message.max.bytes=6291456
replica.fetch.max.bytes=6291456
# A lone developer's group need not wait 3 s for further members.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# Few threads, small buffers and small files: two cores and a laptop's memory are shared with everything else.
num.network.threads=1
num.io.threads=2
background.threads=2
num.recovery.threads.per.data.dir=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=4194304
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
"""

SEVERAL = """
# Nothing that waits for all copies is acknowledged until a dead broker is fenced: what a crash costs is this session.
broker.session.timeout.ms={session}
broker.heartbeat.interval.ms={heartbeat}
"""
SESSION, HEARTBEAT = 4_000, 1_000  # milliseconds; Kafka's defaults are 9 s and 2 s


def properties(
    *, node: int, port: int, controller_ports: tuple[int, ...], advertised: int, data: str, encrypted: bool
) -> str:
    """Return the text of server.properties; nodes are numbered from 1 in the order of their controllers' ports."""
    nodes = len(controller_ports)
    copies = copies_of(nodes)
    text = ALONE.format(
        node=node,
        port=port,
        controller_port=controller_ports[node - 1],
        advertised=advertised,
        outside="SASL_SSL" if encrypted else "PLAINTEXT",
        inside="SSL" if encrypted else "PLAINTEXT",
        voters=",".join(f"{number}@127.0.0.1:{each}" for number, each in enumerate(controller_ports, 1)),
        data=data,
        copies=copies,
        in_sync=in_sync_of(copies),
    )
    return text if nodes == 1 else text + SEVERAL.format(session=SESSION, heartbeat=HEARTBEAT)


def copies_of(nodes: int) -> int:
    """Return how many copies of each partition so many nodes keep."""
    return min(nodes, 3)


def in_sync_of(copies: int) -> int:
    """Return how many copies must have a record before it is acknowledged: one may be missing."""
    return max(1, copies - 1)
