import re

import pytest
from helpers import ROOT

README = (ROOT / "README.md").read_text()


def test_the_lines_beside_the_equations_are_lines_of_the_code():
    code = "".join(
        (ROOT / "hmjax" / name).read_text() for name in ("machine.py", "rules/wake_sleep.py")
    )
    rows = re.findall(r"^\| .* \| `([^`]*)`.* \|$", README, flags=re.MULTILINE)
    assert len(rows) == 7
    for line in rows:
        assert line in code, line


@pytest.mark.slow
def test_the_notebook_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names: dict = {}
    exec(example.replace("20_000", "200"), names)
    assert names["run"].curves["exact_nll_bits"].shape == (3,)
    assert names["hidden"].shape == (508, 16)
    assert names["fantasies"].shape == (64, 32)
    assert names["population"].measures["exact_nll_bits"].shape == (8,)
    assert names["population"].params.generative[0].weight.shape == (8, 16, 32)


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += [ROOT / "docs" / "tutorial.ipynb"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_a_page_links_to_exists(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    for target in links:
        assert (page.parent / target).is_file(), target
