"""What the site does besides what its tools do: see `mkdocs.yml`.

- Pages that lie at the root are pages of the site too, README as the first.
- Links from the pages to files of the repository lead to a page with the file in it.
- Formulas become MathML, which browsers show without a script.
"""

import html
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "RESULTS.md": "results.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)(#[^)]*)?\)")
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
NOT_TEXT = re.compile(r"(<(pre|code|script|style)\b.*?</\2>)", re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that lie at the root, and those of the files that are linked to."""
    from mkdocs.structure.files import File

    texts = {path: (ROOT / path).read_text() for path in PAGES}
    for path, page in PAGES.items():
        files.append(File.generated(config, page, content=texts[path]))
    for file in files.documentation_pages():
        if file.abs_src_path and file.src_uri.endswith(".md"):
            texts[f"docs/{file.src_uri}"] = Path(file.abs_src_path).read_text()
    for target in sorted(
        {_target(path, link) for path, text in texts.items() for link in _links(text)}
    ):
        if target in PAGES or target.startswith("docs/"):
            continue
        file = ROOT / target
        language = {".py": "python", ".toml": "toml"}.get(file.suffix, "text")
        content = f"# `{target}`\n\n`````{language}\n{file.read_text()}\n`````\n"
        files.append(File.generated(config, _page_of(target), content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns links between files of the repository into links between pages."""
    at = page.file.src_uri
    if at.startswith("source/"):
        return markdown
    path = {page: path for path, page in PAGES.items()}.get(at, f"docs/{at}")

    def link(match: re.Match) -> str:
        to = posixpath.relpath(_page_of(_target(path, match[1])), posixpath.dirname(at) or ".")
        return f"]({to}{match[2] or ''})"

    return LINK.sub(link, markdown)


def on_page_content(html: str, page: Any, files: Any, **_: Any) -> str:
    """Turns formulas into MathML, and a notebook's links to pages into links to their addresses."""
    if page.file.src_uri.endswith(".ipynb"):
        for link in set(re.findall(r'href="([^":#]+\.md)"', html)):
            file = files.get_file_from_path(link)
            if file is None:
                raise ValueError(f"{page.file.src_uri} links to {link}, which is no page")
            html = html.replace(f'href="{link}"', f'href="{file.url_relative_to(page.file)}"')
        # It has no diagrams, for which this would fetch a program from elsewhere.
        html = re.sub(r'<script type="module">.*?</script>', "", html, flags=re.DOTALL)
        html = re.sub(r"<script[^>]*\bsrc=[^>]*></script>", "", html)
    elif "arithmatex" not in html:
        return html
    parts = NOT_TEXT.split(html)  # text, what is none, its tag, text, ...
    for n in range(0, len(parts), 3):
        parts[n] = FORMULA.sub(_mathml, parts[n])
        if n + 2 < len(parts):
            parts[n + 2] = ""
    return "".join(parts)


def _mathml(match: re.Match) -> str:
    block, inline = match[1] or match[3], match[2] or match[4]
    return convert(html.unescape(block or inline), display="block" if block else "inline")


def _links(text: str) -> list[str]:
    return [match[1] for match in LINK.finditer(text)]


def _target(path: str, link: str) -> str:
    """The file of the repository that a link in another leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _page_of(path: str) -> str:
    """Where a file of the repository is on the site."""
    return PAGES.get(path) or (
        path.removeprefix("docs/") if path.startswith("docs/") else f"source/{path}.md"
    )
