"""What each figure and explorer draws is what is recorded of it."""

import pytest

from helpers import figures
from tests.support.records import FOLDER, NAMES, differences, record, stored


def test_there_is_a_record_for_each_and_no_other():
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_is_what_is_recorded(name):
    found = differences(record(name), stored(name))
    help = "if it is meant: python -m tests.support.records, and read the diff"
    assert not found, "\n".join([f"{len(found)} differences; {help}", *found[:12]])


def exchanged_colours(picture):
    one, other = (picture.lines["style", rule] for rule in ("alpha/r", "alpha/sqrt(r)"))
    colours = one.get_color(), other.get_color()
    one.set_color(colours[1])
    other.set_color(colours[0])


def another_curve(picture):
    place = picture.place

    def planted(numbers):
        words = place(numbers)
        picture.lines["facts", "best"].set_ydata(numbers.errors["style", "best"])
        return words

    picture.place = planted


def an_empty_panel(picture):
    place = picture.place

    def planted(numbers):
        words = place(numbers)
        for line in picture.figure.axes[1].lines:
            line.set_data([], [])
        return words

    picture.place = planted


def exchanged_legend(picture):
    one, other, *_ = picture.figure.legends[0].get_texts()
    words = one.get_text(), other.get_text()
    one.set_text(words[1])
    other.set_text(words[0])


def another_title(picture):
    picture.figure.axes[0].set_title("facts update")


def a_cut_axis(picture):
    picture.figure.axes[0].set_ylim(0.008, 4)


def an_exchanged_tick(picture):
    picture.figure.axes[0].set_yticks([0.01, 0.1, 1, 10, 100], ["0.01", "1", "0.1", "10", "100"])


@pytest.mark.parametrize(
    "fault",
    [exchanged_colours, another_curve, an_empty_panel, exchanged_legend, another_title, a_cut_axis,
     an_exchanged_tick],
)  # fmt: skip
def test_a_fault_is_found(fault):
    picture = figures.ErrorOverRank()
    assert differences(record("error_over_rank", picture), stored("error_over_rank")) == []
    fault(picture)
    assert differences(record("error_over_rank", picture), stored("error_over_rank")) != []
