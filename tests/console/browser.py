"""A browser without scripts: it keeps cookies, follows redirects, and sends the forms of pages."""

import html
import html.parser
import http.client
import re
import urllib.parse
from typing import NamedTuple

from live import PATIENCE

VOID = {"input", "meta", "link", "img", "br", "hr", "polyline", "polygon"}


class Form(NamedTuple):
    action: str
    method: str
    fields: dict


class _Parser(html.parser.HTMLParser):
    """Collects the elements, the texts and the forms of a page."""

    def __init__(self):
        super().__init__()
        self.elements, self.texts, self.forms, self.open = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "form":
            self.forms.append(Form(attributes["action"], attributes["method"], {}))
        elif tag in {"input", "textarea"} and "name" in attributes and self.forms:
            if attributes.get("type") == "checkbox":
                return
            self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style", "title"} and data.strip():
            self.texts.append(" ".join(data.split()))


class Page:
    """A response of the console."""

    def __init__(self, status, headers, content):
        self.status, self.headers, self.html = status, headers, content
        parser = _Parser()
        parser.feed(content)
        assert not parser.open, f"elements are not closed: {parser.open}"
        self.elements, self.forms, self.texts = parser.elements, parser.forms, parser.texts

    @property
    def text(self):
        return " ".join(self.texts)

    @property
    def pre(self):
        """The text of the first preformatted element, as it is."""
        return html.unescape(re.search("<pre[^>]*>(.*?)</pre>", self.html, re.DOTALL)[1])

    @property
    def alert(self):
        """The text of the error on the page."""
        match = re.search('role="alert">(.*?)</div>', self.html, re.DOTALL)
        return html.unescape(re.sub("<[^>]+>", "", match[1])) if match else ""

    def links(self):
        return {attributes["href"] for tag, attributes in self.elements if tag == "a"}

    def form(self, action):
        """Return the form whose action ends so."""
        return next(form for form in self.forms if form.action.endswith(action))

    def has_form(self, action):
        return any(form.action.endswith(action) for form in self.forms)


class Browser:
    def __init__(self, live):
        self.address = ("127.0.0.1", live.server.http_port)
        self.cookies = {}

    def send(self, method, url, body=None, headers=None):
        """Return the status, the header fields and the text of a response."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        fields = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
        if self.cookies:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, url, body, fields | (headers or {}))
        response = connection.getresponse()
        content = response.read().decode()
        connection.close()
        for value in response.headers.get_all("Set-Cookie", []):
            name, _, rest = value.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return response.status, response.headers, content

    def open(self, path, **headers):
        """Return a page; redirects are followed."""
        return self._follow(*self.send("GET", url(path), headers=headers))

    def submit(self, page, action, **fields):
        """Send a form of a page with some fields changed; return the page that follows."""
        form = page.form(action)
        body = urllib.parse.urlencode(form.fields | fields, doseq=True)
        return self._follow(*self.send("POST", form.action, body))

    def _follow(self, status, headers, content):
        if status == 303:
            return self._follow(*self.send("GET", headers["Location"]))
        return Page(status, headers, content)


def url(path):
    return path if path.startswith("/") else f"/console/{path}"
