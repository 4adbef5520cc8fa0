"""What an object answers to decides which protocols it satisfies, on every version of Python."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import pytest
from torch import nn, ones

from physgen.core.energies import SoftDirections
from physgen.core.protocols import Compilable, Differentiable, Target
from physgen.core.structural import Structural


@runtime_checkable
class Sized(Structural, Protocol):
    size: int

    def grow(self, by: int) -> int: ...


@runtime_checkable
class Named(Sized, Protocol):
    @property
    def name(self) -> str: ...


class Box:
    size = 3

    def grow(self, by):
        return self.size + by


class Hands:
    """Hands on what another has."""

    def __init__(self, other):
        self.other = other

    def __getattr__(self, name):
        return getattr(self.other, name)


class Sometimes(Box):
    """Has a name if it was given one."""

    def __init__(self, given):
        self.given = given

    @property
    def name(self):
        if self.given is None:
            raise AttributeError("no name")
        return self.given


def test_members_are_asked_for():
    assert isinstance(Box(), Sized)
    assert isinstance(Hands(Box()), Sized)
    assert not isinstance(Hands(object()), Sized)
    assert not isinstance(Box(), Named)
    assert isinstance(Sometimes("a"), Named)
    assert not isinstance(Sometimes(None), Named)
    assert isinstance(Hands(Sometimes("a")), Named)
    assert not isinstance(Hands(Sometimes(None)), Named)


def test_a_method_that_is_none_is_not_there_and_a_number_may_be():
    class Without(Box):
        grow = None

    class Unknown(Box):
        size = None

    assert not isinstance(Without(), Sized)
    assert isinstance(Unknown(), Sized)


def test_what_is_derived_from_a_protocol_is_a_class_like_any_other():
    class Derived(Sized):
        size = 1

    assert isinstance(Derived(), Derived)
    assert isinstance(Derived(), Sized)
    assert not isinstance(Box(), Derived)


def test_other_errors_of_a_property_are_not_hidden():
    class Broken(Box):
        @property
        def name(self):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        isinstance(Broken(), Named)


def test_a_parameter_of_a_torch_module_is_a_member():
    class Soft(nn.Module):
        def __init__(self):
            super().__init__()
            self.soft_couplings = nn.Parameter(ones(2))

        def soft_terms(self, x):
            return x

    assert isinstance(Soft(), SoftDirections)


def test_a_wrapped_action_has_the_capabilities_of_its_own():
    @dataclass(frozen=True)
    class Free:
        event_shape: tuple = (4,)
        support: str = "reals"

        def action(self, x):
            return (x**2).sum(-1)

        def force(self, x):
            return -2 * x

    assert isinstance(Hands(Free()), Target)
    assert isinstance(Hands(Free()), Differentiable)
    assert not isinstance(Hands(Free()), Compilable)
