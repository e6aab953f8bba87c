"""The ground: processes, HTTP, disks, certificates."""

from deploy.grafana.asking import increase, lines, per_second
from deploy.grafana.panels import Board, Query, Row, Variable

_THESE = 'service=~"$service", instance=~"$instance"'
_SERVICE = 'service=~"$service"'
_LEGEND = "{{service}} {{instance}}"

_PROCESSES = Row("Processes ($service)", [
    lines("Up", "1 while a process answers Prometheus. Alert: ServiceDown.", "short",
          Query(f'up{{job="wabus", {_THESE}}}', _LEGEND)),
    lines("CPU", "Share of one core that a process uses; one process never uses much more than one.", "percentunit",
          Query(f"rate(process_cpu_seconds_total{{{_THESE}}}[$__rate_interval])", _LEGEND), limit=0.9),
    lines("Memory", "Resident memory.", "bytes", Query(f"process_resident_memory_bytes{{{_THESE}}}", _LEGEND)),
    lines("Lateness of the event loop", "How late a timer is called, 99th percentile. Alert: EventLoopBlocked.",
          "s", Query(f"wabus:event_loop_delay_seconds:p99_5m{{{_THESE}}}", _LEGEND), limit=0.5),
    lines("Open files", "Open files and connections, as a share of what is allowed. Alert: FilesRunOut.", "percentunit",
          Query(f"wabus:open_files:ratio{{{_THESE}}}", _LEGEND), limit=0.8),
    lines("Age", "Time since the process was started: a drop is a restart.", "s",
          Query(f"time() - process_start_time_seconds{{{_THESE}}}", _LEGEND)),
    lines("Garbage collections", "Collections of Python's oldest generation; each stops the process briefly.", "cps",
          Query(f'rate(python_gc_collections_total{{generation="2", {_THESE}}}[$__rate_interval])', _LEGEND)),
    lines("File bytes passed on", "Bytes of media that edge passed to Meta and from it.", "Bps",
          Query(per_second("wabus_edge_media_bytes_total", "way"), "{{way}}")),
    lines("Deletions under way", "People's data that is being deleted; it has to fall back to 0.", "short",
          Query("max(wabus_edge_erasures)", "erasures")),
])  # fmt: skip

_HTTP = Row("HTTP ($service)", [
    lines("Calls", "Answers by service and status.", "reqps",
          Query(per_second("wabus_http_requests_total", "service", "status", where=_SERVICE), "{{service}} {{status}}"),
          stacked=True),
    lines("Our failures", "Answers with 5xx by route, within an hour.", "short",
          Query(increase("wabus_http_requests_total", "service", "route", where=f'status=~"5..", {_SERVICE}'),
                "{{service}} {{route}}")),
    lines("Time of calls", "95th percentile by route of the service that answers, headers to end.", "s",
          Query("histogram_quantile(0.95, sum by (le, service, route)"
                f" (rate(wabus_http_request_seconds_bucket{{{_SERVICE}}}[$__rate_interval])))",
                "{{service}} {{route}}")),
    lines("Templates synced", "Syncs of an account's templates within an hour, by how they ended.", "short",
          Query(increase("wabus_templates_syncs_total", "outcome"), "{{outcome}}")),
    lines("Templates changed", "Changes of our projection of templates within an hour, by kind.", "short",
          Query(increase("wabus_templates_changes_total", "change"), "{{change}}")),
    lines("Templates told of", "Meta's webhooks about templates within an hour, by field.", "short",
          Query(increase("wabus_templates_updates_total", "field"), "{{field}}")),
])  # fmt: skip

_SERVERS = Row("Servers", [
    lines("Disk free", "Share that is free of the disk under each server's data. Alerts: DiskFilling, DiskNearlyFull.",
          "percentunit", Query("wabus:disk_free:ratio", "{{server}}")),
    lines("Disk used", "Bytes that are taken on that disk, by whomever.", "bytes",
          Query("max by (server) (wabus_disk_size_bytes - wabus_disk_free_bytes)", "{{server}}")),
    lines("Certificates", "Days until a certificate ends, by the setting that names it. Alerts: CertificateExpires,"
          " CertificateExpiresNow.", "d", Query("wabus:certificate_left:days", "{{certificate}}")),
])  # fmt: skip

BOARD = Board(
    "wabus-runtime", "Wabus: runtime", "Processes, HTTP, disks and certificates.", [_PROCESSES, _HTTP, _SERVERS],
    [
        Variable("service", "Service", 'label_values(up{job="wabus"}, service)'),
        Variable("instance", "Instance", 'label_values(up{job="wabus", service=~"$service"}, instance)'),
    ],
)  # fmt: skip
