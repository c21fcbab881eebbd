"""What people are asked to cite is what they have."""

import re

from helpers import ROOT

import hmjax


def test_the_version_to_cite_is_this_one():
    text = (ROOT / "CITATION.cff").read_text()
    (version,) = re.findall(r"^version: (.*)$", text, flags=re.MULTILINE)
    assert version == hmjax.__version__
