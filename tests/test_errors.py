import pytest

from hyoid import errors


def every_error():
    found, waiting = [], [errors.HyoidError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting.extend(kind.__subclasses__())
    return found


def test_a_message_holds_problem_and_cure():
    error = errors.SeriesError("Slice 4 is missing.", "Export the series again.")
    assert str(error) == "Slice 4 is missing. Export the series again."
    assert (error.problem, error.cure) == ("Slice 4 is missing.", "Export the series again.")


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_its_exit_code_and_stands_in_the_drawing(kind):
    codes = {errors.UsageError: 2, errors.InputRefusedError: 3, errors.ModelUnusableError: 4}
    expected = next((code for parent, code in codes.items() if issubclass(kind, parent)), 1)
    assert kind.exit_code == expected
    # What a room raises for itself alone stands in that room.
    assert kind.__name__ in errors.__doc__ or kind.__module__ != errors.__name__
