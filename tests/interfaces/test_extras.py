import pytest

from hyoid.errors import UsageError
from hyoid.interfaces.extras import needs_extra


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    with (
        pytest.raises(UsageError, match=r"Training needs .* \(no_such_package\)") as caught,
        needs_extra("train", "Training"),
    ):
        import no_such_package  # noqa: F401
    assert caught.value.cure == "Run: pip install 'hyoid[train]'"


def test_other_errors_stay_what_they_are():
    with pytest.raises(KeyError), needs_extra("train", "Training"):
        raise KeyError("no import")
