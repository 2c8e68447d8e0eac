"""What a person reads on a page: heading, tables, links; without styles and scripts."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Page(HTMLParser):
    """Text of cells and links, with runs of blanks as one; `links` holds (text, address) in their order."""

    html: str
    heading: str = ""
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._texts: dict[str, list[str]] = {}
        self._address = ""
        self.feed(self.html)

    def address(self, text: str) -> str:
        """Where the link of this text leads; it must be there once."""
        (found,) = [address for shown, address in self.links if shown == text]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("h1", "a", "td", "th"):
            self._texts[tag] = []
        if tag == "a":
            self._address = dict(attrs)["href"] or ""

    def handle_data(self, data: str) -> None:
        for texts in self._texts.values():
            texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "thead":
            self.columns = self.rows.pop()
        if tag not in self._texts:
            return
        text = " ".join("".join(self._texts.pop(tag)).split())
        if tag == "h1":
            self.heading = text
        elif tag == "a":
            self.links.append((text, self._address))
        else:
            self.rows[-1].append(text)
