"""Words of strangers that would do something, were they written as they are; pages read as browsers and hubs do."""

import re
from html.parser import HTMLParser

from markdown_it import MarkdownIt

NASTY = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</title></style></svg></code></table><iframe src='//evil'>",
    '" onmouseover="alert(1)',
    "' style='position:fixed",
    "[a](javascript:alert(1))",
    "![a](https://evil/x.png)",
    "](javascript:alert(1))",
    "[x]: https://evil",
    "https://evil.example/x www.evil.example a@evil.example",
    "`code` ``code`` ```",
    "```\n# out",
    "a | b || c\\",
    "a\n\n# heading\n- list\n\n---\n",
    "a\r\n---\r\nlicense: other",
    "---",
    "===",
    "...\n",
    "- item",
    "1. item",
    "> quote",
    "# heading",
    "*a* _b_ **c** __d__ ~~e~~",
    "<!-- ", "-->", "&lt;b&gt; &amp; &#60;",
    "$\\frac{1}{$ $x$ $$", "\\$", "{% raw %} {{ 7*7 }}",
    "!!python/object/apply:os.system ['true']", "a: b # c", "'\"", "yes", "0x1F", "1e3", "null", "@a %b",
    "\x1b[2J\x07\x9b31m", "\u202eevil\u2066", "\u2028\u2029\x85", "   ", "x" * 5000,
)  # fmt: skip
# What a page of ours is made of.
TAGS = {
    "a", "article", "b", "body", "code", "dd", "div", "dl", "dt", "figcaption", "figure", "h1", "h2", "h3", "head",
    "header", "html", "img", "li", "main", "meta", "p", "pre", "span", "style", "table", "td", "th", "title", "tr",
    "ul", "svg", "rect", "polyline", "circle", "text",
}  # fmt: skip
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags, self.words = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def handle_comment(self, data):
        self.tags.append(("comment", {"": data}))


def read_html(text):
    """Return a page's tags with their attributes, and its text; nothing in it may do anything."""
    page = _Page()
    page.feed(text)
    page.close()
    for tag, attributes in page.tags:
        assert tag in TAGS, tag
        assert not {name for name in attributes if name.startswith("on")}, attributes
        for name in ("href", "src"):
            assert re.match(r"#|data:image/png|$", attributes.get(name) or ""), attributes
    return page.tags, "".join(page.words)


def read_markdown(text):
    """Return {kind of token: how many} of a page, and its text, which holds no address outside code."""
    kinds, words = {}, []
    for token in _MARKDOWN.parse(text):
        for part in token.children or [token]:
            kinds[part.type] = kinds.get(part.type, 0) + 1
            words.append(part.content)
            if part.type == "text":
                # Hubs make links of addresses in text.
                assert not re.search(r"://|www\.", part.content), part.content
    return kinds, "\n".join(words)
