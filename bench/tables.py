"""Figures of many runs to tables of medians."""

import platform
import shlex
import statistics
import sys
from pathlib import Path

BEGIN = "<!-- tables: written by bench/run --write -->"
END = "<!-- end of tables -->"


def summary(figures):
    """One run in one line."""
    server = figures["server"]
    parts = [figures["fault"]] if figures["fault"] else []
    if figures["ratio"]:
        parts.append(f"{figures['ratio']:.2f} × the limit")
    if server["running"]:
        running = server["running"]
        parts.append(f"{running['server_cpu_per_delivery_ns'] / 1e3:.3f} µs a delivery")
        parts.append(f"p99 {running['latency_ns']['p99'] / 1e6:.1f} ms")
    if server["idle"]:
        parts.append(f"{server['memory']['per_connection_bytes']:.0f} B a connection")
        parts.append(f"{server['connecting']['server_cpu_per_handshake_ns'] / 1e3:.0f} µs a handshake")
    return ", ".join(parts)


def markdown(figures, options, versions):
    rows = list(dict.fromkeys((one["name"], one["transport"]) for one in figures))
    blocks = [machine(options, versions), cpu(figures, rows, options)]
    if options.rate:
        blocks.append(latency(figures, rows, options))
    if options.idle_connections:
        blocks.append(idle(figures, rows, options))
    faults = [f"- {one['name']}, {one['transport']}, {one['kind']}: {one['fault']}" for one in figures if one["fault"]]
    if faults:
        blocks.append("Faults:\n\n" + "\n".join(faults))
    return "\n\n".join(blocks)


def machine(options, versions):
    cores = "all cores for all" if options.all_cores else "one core for the server, one for the generator"
    return (
        f"{place(versions, cores)}. Medians of {options.repeats} runs of "
        f"{options.duration}, {options.idle_repeats} of idle connections. Command: {command('bench/run')}"
    )


def place(versions, cores):
    """Where it ran, and what."""
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return f"{processor}, Linux {platform.release()}, TCP with {congestion}, {cores}; {listed}"


def command(program):
    return f"`{shlex.join([program, *sys.argv[1:]])}`"


def of(figures, row, kind):
    return [one for one in figures if (one["name"], one["transport"]) == row and one["kind"] == kind]


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def shown(value, form="{:.2f}"):
    return "–" if value is None else form.format(value)


def cpu(figures, rows, options):
    """Server CPU time per delivery, as a multiple of the limit's and in microseconds."""
    kinds = [f"{count} in flight" for count in options.in_flight]
    lines = [f"Server CPU per delivery, {options.connections} connections, 128 bytes: multiples of the bare limit (µs)", ""]
    lines += ["| server | transport | " + " | ".join(kinds) + " |", "|---|---|" + "---|" * len(kinds)]
    limits = []
    for kind in kinds:
        every = [one["limit"]["running"]["server_cpu_per_delivery_ns"] for one in figures if one["kind"] == kind and one["limit"]]
        limits.append("1 (" + shown(median(every) and median(every) / 1e3, "{:.3f}") + ")")
    lines.append("| bare limit | `send(2)` | " + " | ".join(limits) + " |")
    for row in rows:
        cells = []
        for kind in kinds:
            runs = of(figures, row, kind)
            ratio = median(one["ratio"] for one in runs)
            cost = median(one["server"]["running"]["server_cpu_per_delivery_ns"] for one in runs)
            cells.append(f"{shown(ratio)} ({shown(cost and cost / 1e3, '{:.3f}')})")
        lines.append(f"| {row[0]} | {row[1]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def latency(figures, rows, options):
    rows = [row for row in rows if of(figures, row, "rate")]
    names = ["p50", "p99", "p99.9", "max"]
    lines = [f"Latency at {options.rate:g} messages a second to {options.connections} connections, in ms", ""]
    lines += ["| server | transport | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]

    def line(title, runs):
        cells = (median(run["running"]["latency_ns"][name] for run in runs) for name in names)
        lines.append(f"| {title} | " + " | ".join(shown(cell and cell / 1e6, "{:.1f}") for cell in cells) + " |")

    line("bare limit | `send(2)`", [one["limit"] for one in figures if one["kind"] == "rate" and one["limit"]])
    for row in rows:
        line(" | ".join(row), [one["server"] for one in of(figures, row, "rate")])
    return "\n".join(lines)


def idle(figures, rows, options):
    rows = [row for row in rows if of(figures, row, "idle")]
    lines = [f"{options.idle_connections} idle connections", ""]
    lines += [
        "| server | transport | RSS per connection, B | CPU per handshake, µs | CPU per connection and second, µs |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        runs = [one["server"] for one in of(figures, row, "idle")]
        memory = median(run["memory"]["per_connection_bytes"] for run in runs)
        handshake = median(run["connecting"]["server_cpu_per_handshake_ns"] for run in runs)
        rest = median(run["idle"]["server_cpu_per_connection_second_ns"] for run in runs)
        cells = [shown(memory, "{:.0f}"), shown(handshake and handshake / 1e3, "{:.0f}"), shown(rest and rest / 1e3)]
        lines.append(f"| {row[0]} | {row[1]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(path, text, begin=BEGIN, end=END):
    """Puts the tables between their marks and leaves the rest of the file alone."""
    before, _, rest = path.read_text().partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
