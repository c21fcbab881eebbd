"""Text as a terminal has room for it."""

from commands.terminal import fitted

TEXT = """# Title

| arm | NLL \\|x\\| | share |
| --- | --- | --- |
| a | 1.0 | 0.5 |
| b, much longer | 2.0 (1.0 to 3.0) | |

after"""


def test_what_fits_is_left_as_it_is_and_so_is_what_is_no_terminal():
    assert fitted(TEXT, 80) == TEXT
    assert fitted(TEXT) == TEXT


def test_a_table_that_is_too_wide_is_a_list():
    assert (
        fitted(TEXT, 30)
        == """# Title

a
  NLL |x|: 1.0
  share: 0.5
b, much longer
  NLL |x|: 2.0 (1.0 to 3.0)

after"""
    )
