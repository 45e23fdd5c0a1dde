"""What lies where: packages, names, sizes."""

import statistics
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.support import tree

PROGRAMS = {"examples"}  # to be read and run, not imported
NO_CODE = {"dashboard"}  # its Python package only carries the built files
LONGEST_FILE = 400
LONGEST_BODY = 60
# A longer body says in a comment of its own why it is one.
LONG_BODIES = {"broker/embedded/connection.py:_run": "the hot loop: a call per message is what it saves"}


def test_every_package_is_in_the_wheel() -> None:
    # An editable install puts the whole root on the path and would hide one that is missing.
    assert tree.top_level_packages() - PROGRAMS == tree.wheel_packages()


def test_every_package_is_a_typed_package() -> None:
    for name in tree.wheel_packages():
        assert (tree.ROOT / name / "__init__.py").is_file(), name
        assert name in NO_CODE or (tree.ROOT / name / "py.typed").is_file(), name


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in tree.sources()} - {Path("migrations/versions")}  # scripts that Alembic loads by path
    assert [str(folder) for folder in folders if not (tree.ROOT / folder / "__init__.py").is_file()] == []


def test_our_names_are_nobody_elses() -> None:
    taken = {name: owners for name, owners in packages_distributions().items() if set(owners) != {"iotsphere"}}
    assert {name: taken[name] for name in tree.wheel_packages() if name in taken} == {}
    assert tree.wheel_packages() & sys.stdlib_module_names == set()


def test_tests_are_no_packages() -> None:
    # With --import-mode=importlib a tests/unit/broker/__init__.py would shadow the real `broker`.
    assert [str(path) for path in tree.tests() if path.name == "__init__.py"] == []


def test_files_stay_readable_in_one_sitting() -> None:
    lengths = {str(path): len((tree.ROOT / path).read_text().splitlines()) for path in (*tree.sources(), *tree.tests())}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_functions_stay_short() -> None:
    lengths = sorted(lines for path in tree.sources() for _, lines in tree.functions(path))
    tenths = statistics.quantiles(lengths, n=10)
    assert statistics.median(lengths) <= 8
    assert tenths[8] <= 30


def test_a_long_function_has_a_reason() -> None:
    long = {name for path in tree.sources() for name, lines in tree.functions(path) if lines > LONGEST_BODY}
    assert long <= LONG_BODIES.keys()
