"""What stands below a field of settings is part of what `help` says of their class."""

import dataclasses
import inspect
import pydoc
import subprocess
import sys
from dataclasses import dataclass

import pytest
from helpers import ROOT
from test_settings import KINDS

import hmjax
from hmjax import fieldhelp
from hmjax.settings import Settings


@pytest.mark.parametrize("kind", [type(each) for each in KINDS], ids=lambda kind: kind.__name__)
def test_help_names_every_field_and_says_what_it_is(kind):
    said = fieldhelp.help_of_fields(kind)
    assert said.keys() == {field.name for field in dataclasses.fields(kind)}
    words = " ".join(inspect.getdoc(kind).split())
    for name, text in said.items():
        assert f"{name}: {' '.join(text.split())}" in words
    assert "Attributes:" in pydoc.render_doc(kind)


def test_inherited_fields_are_among_them():
    assert inspect.getdoc(hmjax.WakeSleep).startswith("Plain wake-sleep.\n\nAttributes:\n")
    assert "learning_rate: " in inspect.getdoc(hmjax.WakeSleep)
    assert hmjax.WakeSleep().__doc__ == hmjax.WakeSleep.__doc__


def test_a_class_without_source_or_docstring_does_without():
    made = {}
    exec(
        "from dataclasses import dataclass\n"
        "from hmjax.settings import Settings\n"
        "@dataclass(frozen=True)\n"
        "class Said(Settings):\n"
        "    'What it is.'\n"
        "    field: int = 1\n"
        "    'Help.'\n",
        made,
    )
    assert made["Said"].__doc__ == "What it is."

    @dataclass(frozen=True)
    class Unsaid(Settings):
        field: int = 1
        """Help."""

    assert Unsaid.__doc__ == "Unsaid(field: int = 1)"


def test_nothing_of_it_is_done_on_import():
    code = (
        "import inspect; calls = []; get = inspect.getsource\n"
        "inspect.getsource = lambda it: calls.append(str(it)) or get(it)\n"
        "import hmjax; assert not [it for it in calls if 'hmjax' in it], calls\n"
        "hmjax.WakeSleep.__doc__; assert 'hmjax' in calls[-1]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
