"""Results have the bits that they had before: of all tasks, engines, building blocks and files."""

import digests
import pytest

pytestmark = pytest.mark.slow


def expected():
    """The table's lines by group."""
    found = {}
    for line in digests.TABLE.read_text().splitlines():
        if line.startswith("# "):
            group = found.setdefault(line[2:], {})
        else:
            name, digits = line.split("\t")
            group[name] = digits
    return found


def test_the_table_has_all_groups(tmp_path):
    assert expected().keys() == digests.groups(tmp_path).keys()


@pytest.mark.parametrize(
    "group",
    [
        pytest.param(group, marks=pytest.mark.exhaustive if group == "engine numpy" else ())
        for group in expected()
    ],
)
def test_the_bits_are_those_of_the_table(group, tmp_path):
    calls = digests.groups(tmp_path)[group]
    assert {name: digests.digest(result) for name, result in calls} == expected()[group]
