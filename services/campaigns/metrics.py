"""The metrics of the campaigns service, each with its sentence."""

from prometheus_client import Counter, Gauge

IMPORTED = Counter("wabus_campaigns_recipients_total", "Rows of recipients, by what became of them.", ["outcome"])
LAUNCHED = Counter("wabus_campaigns_launched_total", "Campaigns launched.")
QUEUED = Counter("wabus_campaigns_queued_total", "Messages that fan-out put into the ledger.")
TAKEN_BACK = Counter("wabus_campaigns_taken_back_total", "Queued messages taken back by pause or cancel.")
MOVED = Counter("wabus_campaigns_moved_total", "Recipients moved by a status, by the new state.", ["state"])
PAUSED = Counter("wabus_campaigns_paused_total", "Campaigns that paused themselves, by reason.", ["reason"])
RUNNING = Gauge("wabus_campaigns_running", "Campaigns that run now.")
REFUSED = Counter("wabus_campaigns_commands_refused_total", "Commands refused, by code.", ["code"])
STREAMS = Gauge("wabus_campaigns_streams", "Streams of progress that somebody looks at now.")
