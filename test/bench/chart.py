# SPDX-License-Identifier: Apache-2.0
"""Bars with their spread, as SVG. Each bar is a median, the thin line goes from the least to the most."""
import statistics
from xml.sax.saxutils import escape

PANELS = [
    ("TCP x1, Gb/s (more is better)", "tcp1", "gbps"),
    ("CPU seconds of the machine per GB (less is better)", "tcp1", "cpu_s_per_gb"),
    ("Round trip under load, p99, us (less is better)", "rtt_loaded", "p99_us"),
    ("CPU of the machine per 64-byte packet, the tunnel's part, us (less is better)", "small_cost",
     "tunnel_us_per_packet"),
    ("64-byte packets at most 1 % lost, kpps (more is better)", "small_max", "kpps"),
]
LABEL, PLOT, NUMBER, BAR, GAP, TITLE, MARGIN = 170, 420, 130, 16, 6, 34, 16
COLOURS = {"bare": "#8a8a8a", "esptun-null": "#9db8d2", "esptun": "#1f6fb4", "": "#c9803a"}


def colour(name):
    return next(shade for prefix, shade in COLOURS.items() if name.startswith(prefix))


def number(value):
    """Three digits are enough, and no exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def bar(name, values, scale, y):
    middle, least, most = statistics.median(values), max(0, min(values)), max(0, *values)
    width, low, high = max(0, middle) * scale, LABEL + least * scale, LABEL + most * scale
    line = y + BAR / 2
    return [
        f'<text x="{LABEL - 8}" y="{y + BAR - 4}" text-anchor="end">{escape(name)}</text>',
        f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour(name)}"/>',
        f'<path d="M{low:.1f} {line}H{high:.1f}M{low:.1f} {line - 4}v8M{high:.1f} {line - 4}v8" stroke="#222"/>',
        f'<text x="{max(LABEL + width, high) + 6:.1f}" y="{y + BAR - 4}">{number(middle)}</text>',
    ]


def panel(title, rows, y):
    """Returns (elements, the y below)."""
    out = [f'<text x="{MARGIN}" y="{y + 20}" font-weight="bold">{escape(title)}</text>']
    most = max(max(values) for _, values in rows)
    scale = PLOT / most if most > 0 else 1  # differences may be below 0
    y += TITLE
    for name, values in rows:
        out += bar(name, values, scale, y)
        y += BAR + GAP
    return out, y + MARGIN


def svg(samples, wires, names, subtitle):
    body = [f'<text x="{MARGIN}" y="{MARGIN + 8 + 18 * i}">{escape(line)}</text>' for i, line in enumerate(subtitle)]
    y = MARGIN + 6 + 18 * len(subtitle)
    for wire in wires:
        for title, step, field in PANELS:
            rows = [(name, samples.values(wire, name, step, field)) for name in names]
            rows = [(name, values) for name, values in rows if values]
            if rows:
                elements, y = panel(f"{title}, wire: {wire}", rows, y)
                body += elements
    width = LABEL + PLOT + NUMBER
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" font-family="sans-serif" '
                      'font-size="12">', f'<rect width="{width}" height="{y}" fill="#fff"/>', *body, "</svg>", ""])
