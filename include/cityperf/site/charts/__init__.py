"""Charts, maps and icons as SVG: pure functions of frozen dataclasses, so the same figures give the same bytes.

No drawing has a `style` attribute or a script. Colours are the tokens of the design as custom properties (`var(--ink)`),
so one drawing serves light and dark; sizes of text come from `charts.css`, which shows the wide or the narrow drawing by
the room that the chart has. The caller gives every chart a prefix, from which its ids are made.

Tokens used: card, grey, ink, ink-2, link, improving, concern, changed, no-signal, control, band, map-1 to map-5.
"""
